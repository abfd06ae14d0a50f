"""What the reader of the benchmarks' splits makes of broken files."""

import json
from pathlib import Path

from egocurate.curation.sources.splits import BENCHMARKS, read_benchmarks
from tests.fuzz.broken import broken_json_text
from tests.fuzz.harness import Target

SPLIT = {
    "split": "val",
    "videos": [{"video_uid": "a-1", "split": "val"}, {"video_uid": "é-2", "split": "test"}],
    "version": 1,
}


def test_splits(tmp_path: Path, clean):
    path = tmp_path / f"{BENCHMARKS[0]}_val.json"

    def read(data: bytes) -> tuple[set, set]:
        path.write_bytes(data)
        found = read_benchmarks([tmp_path])
        return found.val, found.test

    def right(data: bytes, found: tuple[set, set]) -> bool:
        expected: dict[str, set] = {"val": set(), "test": set()}
        for key, entries in json.loads(data.decode()).items():
            for entry in entries if key in ("videos", "clips", "annotations") and isinstance(entries, list) else ():
                if isinstance(entry, dict) and isinstance(entry.get("video_uid"), str):
                    stated = entry.get("split")
                    expected["test" if stated == "test" else "val"].add(storable(entry["video_uid"]))
        return (expected["val"], expected["test"]) == found

    clean(Target("files of the benchmarks' splits", [SPLIT], broken_json_text, read, right), 100)


def storable(uid: str) -> str:
    return uid.encode("utf-8", "replace").decode().replace("\0", " ")
