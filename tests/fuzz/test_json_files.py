"""The reader of large JSON files says what the standard library says of the same bytes."""

import json
from pathlib import Path

import pytest

from egocurate.curation.sources.json_stream import load_json, members
from tests.fuzz.broken import broken_json_text
from tests.fuzz.harness import Target

WHOLE = [
    {"videos": [{"video_uid": "a-1", "duration_sec": 12.5, "scenarios": ["Cooking", "Baker é"], "has_imu": None}]},
    {"videos": {"a": {"narration_pass_1": {"narrations": [{"timestamp_sec": 1.0, "text": "opens"}]}}}},
    {"a": {}, "b": [], "": "", "n": -0.0, "deep": [[[[{"x": [1, 2, 3e5, True, None]}]]]]},
]  # fmt: skip


def the_standard_library_says(data: bytes) -> object:
    """Return the object in `data`, or None if there is none."""
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@pytest.mark.parametrize("chunk", [7, 1 << 22])
def test_json(tmp_path: Path, clean, chunk):
    path = tmp_path / "annotations.json"

    def read(data: bytes) -> dict:
        path.write_bytes(data)
        return dict(members(path, chunk=chunk))

    def right(data: bytes, result: dict) -> bool:
        return repr(result) == repr(the_standard_library_says(data))

    clean(Target(f"JSON files, {chunk} bytes at a time", WHOLE, broken_json_text, read, right), 400)


def test_what_the_standard_library_reads_is_read(tmp_path: Path, clean):
    path = tmp_path / "annotations.json"

    def read(data: bytes) -> dict:
        path.write_bytes(data)
        return load_json(path)

    target = Target("JSON files that are whole", WHOLE, broken_json_text, read, lambda data, result: True)
    for number in range(200):
        data = target.input(number)
        expected = the_standard_library_says(data)
        if expected is not None:
            assert repr(read(data)) == repr(expected), data
