"""What the readers of an Ego4D root make of broken files: metadata, manifests, narrations."""

import ast
import csv
import json
import math
import re
from pathlib import Path

import pytest

from egocurate.curation.clips.selection import select_clips
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.curation.sources.videos_table import write_video_facts
from tests.fuzz.broken import broken_json_text
from tests.fuzz.broken_tables import broken_csv, same_values
from tests.fuzz.harness import Target

A, B, C = (f"{number:08x}-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
METADATA = {
    "version": "2.1",
    "videos": [
        {
            "video_uid": A,
            "duration_sec": 60.5,
            "is_stereo": False,
            "has_redacted_regions": True,
            "redacted_intervals": [{"start_sec": 1.0, "end_sec": 2.5}, {"start_sec": 9, "end_sec": 9.5}],
            "scenarios": ["Cooking", "Baker é"],
            "split_em": "train",
            "split_fho": "multi",
            "video_metadata": {
                "mp4_duration_sec": 60.6,
                "display_resolution_width": 1440,
                "sample_resolution_height": 9,
            },
        },
        {"video_uid": B, "duration_sec": None, "is_stereo": True, "video_metadata": {"video_duration_sec": 30}},
        {"video_uid": C, "duration_sec": 12, "scenarios": None, "split_vq": " VAL ", "video_metadata": None},
    ],
    "concurrent_video_sets": [{"set_id": 1, "videos": [{"video_uid": A}, {"video_uid": C}]}],
}
MANIFEST = [
    ["video_uid", "canonical_mp4_duration_sec", "display_resolution_width", "canonical_display_height", "scenarios"],
    [A, "60.5", "1440", "1080", "['Cooking', 'Baker é']"],
    [B, "1800", "", "1080", ""],
    [C, "12.25", "640", "480.0", "Gardening"],
]
MANIFEST = [[*row, split] for row, split in zip(MANIFEST, ["split_em", "train", "val", ""], strict=True)]
NARRATIONS = {
    A: {
        "status": "complete",
        "narration_pass_1": {
            "narrations": [
                {"timestamp_sec": 1.5, "narration_text": "#C C takes a cup", "annotation_uid": "x"},
                {"timestamp_sec": 7.0, "narration_text": "#C C washes the cup"},
            ],
            "summaries": [],
        },
        "narration_pass_2": {"narrations": [{"timestamp_sec": 2, "narration_text": "#C C lifts the cup é"}]},
    },
    B: {"status": "redacted"},
    C: {"narration_pass_1": {"narrations": [{"timestamp_sec": 3.25, "narration_text": "#O a man X walks"}]}},
}
POOLED = {
    "version": "v1",
    "videos": {
        A: {
            "narrations": [
                {"time": 1.0, "text": "#C C takes a cup", "_annotation_uid": "one"},
                {"time": 9.0, "text": "#C C cuts it", "_annotation_uid": "one"},
                {"time": 2.0, "text": "#C C lifts a cup", "_annotation_uid": "two"},
            ]
        },
        B: {"narrations": []},
        C: {"narrations": [{"time": 4, "text": "#C C opens the door", "_annotation_uid": "three"}]},
    },
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root without videos: narrations and metadata, each to be broken by turns."""
    (tmp_path / "narration.json").write_text(json.dumps(NARRATIONS))
    (tmp_path / "ego4d.json").write_text(json.dumps(METADATA))
    return tmp_path


def clean_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", " ")


def real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def first_in(values: list[float], most: float) -> float:
    return next((value for value in values if 0 < value <= most), math.nan)


def pixels(values: list[float]) -> int:
    found = first_in(values, 1e5)
    return 0 if math.isnan(found) else int(found)


def listed_videos(content: dict) -> dict[str, dict]:
    """What ego4d.json says of each video, by the rules of docs/formats.md."""
    videos: dict[str, dict] = {}
    for entry in content["videos"]:
        uid = entry.get("video_uid") if isinstance(entry, dict) else None
        uid = clean_text(uid) if isinstance(uid, str) else ""
        if not uid or uid in videos:
            continue
        inner = entry.get("video_metadata")
        inner = inner if isinstance(inner, dict) else {}
        times = [entry.get("duration_sec"), inner.get("mp4_duration_sec"), inner.get("video_duration_sec")]
        sizes = [
            [real(inner.get(f"{k}_resolution_{side}")) for k in ("display", "sample")] for side in ("width", "height")
        ]
        spans = entry.get("redacted_intervals")
        spans = [s for s in spans if isinstance(s, dict)] if isinstance(spans, list) else []
        spans = [(real(s.get("start_sec")), real(s.get("end_sec"))) for s in spans]
        names = entry.get("scenarios")
        splits = {v.strip().lower() for k, v in entry.items() if k.startswith("split_") and isinstance(v, str)}
        videos[uid] = {
            "video_dur": first_in([real(time) for time in times], 1e7),
            "is_stereo": entry.get("is_stereo") is True,
            "width": pixels(sizes[0]),
            "height": pixels(sizes[1]),
            "split": next((name for name in ("test", "val", "train") if name in splits), ""),
            "fho_multi": entry.get("split_fho") == "multi",
            "scenarios": [clean_text(n) for n in names if isinstance(n, str)] if isinstance(names, list) else [],
            "redacted": [span for span in spans if span[0] <= span[1]],
        }
    return videos


def manifest_videos(rows: list[list[str]]) -> dict[str, dict]:
    header, *rows = rows
    videos: dict[str, dict] = {}
    for row in rows:
        if row and len(row) != len(header):
            return {"a row with other cells than the header": {}}
        cells = dict(zip(header, row, strict=False))
        if not cells.get("video_uid") or cells["video_uid"] in videos:
            continue
        sizes = [[cells.get(f"{kind}_{side}", "") for kind in KINDS] for side in ("width", "height")]
        scenarios = cells.get("scenarios", "")
        try:
            names = ast.literal_eval(scenarios)
        except Exception:
            names = None
        is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
        is_list = is_list and "''" not in scenarios  # 'a''b' is not as Python prints a list
        split = cells.get("split_em", "").strip().lower()
        videos[cells["video_uid"]] = {
            "video_dur": first_in([plain(cells.get(name, "")) for name in DURATIONS], 1e7),
            "is_stereo": False,
            "width": pixels([plain(size) for size in sizes[0]]),
            "height": pixels([plain(size) for size in sizes[1]]),
            "split": split if split in ("train", "val", "test") else "",
            "fho_multi": False,
            "scenarios": names if is_list else [scenarios] if scenarios.strip() else [],
            "redacted": [],
        }
    return videos


KINDS = ("display_resolution", "canonical_display", "sample_resolution")
DURATIONS = ("duration_sec", "canonical_mp4_duration_sec", "canonical_video_duration_sec")


def plain(text: str) -> float:
    """The number that plain digits write."""
    return float(text) if re.fullmatch(r"\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*", text) else math.nan


def read_videos(root: Path) -> dict[str, dict]:
    """Everything that is made of a root's videos: their table, the file that keeps it, what is told of it."""
    source = Ego4DSource(root)
    frame = source.videos()
    write_video_facts(frame, root / "out")
    assert all("\n" not in note for note in source.notes())
    select_clips(source.narrations(), frame, EgoClipConfig())
    rows = frame.drop(columns=["path", "scene"]).to_dict("records")
    return {row.pop("video_uid"): row for row in rows}


def agrees(expected: dict[str, dict], found: dict[str, dict]) -> bool:
    return all(same_values(expected[uid], found[uid]) for uid in expected) and set(found) - set(expected) <= {A, B, C}


def test_ego4d_json(root: Path, clean):
    def read(data: bytes) -> dict:
        (root / "ego4d.json").write_bytes(data)
        return read_videos(root)

    def right(data: bytes, found: dict) -> bool:
        return agrees(listed_videos(json.loads(data.decode())), found)

    clean(Target("ego4d.json", [METADATA], broken_json_text, read, right), 100)


def test_manifest(root: Path, clean):
    (root / "ego4d.json").unlink()
    path = root / "manifest.csv"

    def read(data: bytes) -> dict:
        path.write_bytes(data)
        return read_videos(root)

    def right(data: bytes, found: dict) -> bool:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return agrees(manifest_videos(list(filter(None, csv.reader(file, strict=True)))), found)

    clean(Target("manifest.csv", [MANIFEST], broken_csv, read, right), 100)


class Object(dict):
    """A JSON object, of two equal keys the last, as the standard library has it; `first` has the first."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.first: dict[str, object] = {}
        for key, value in pairs:
            self.first.setdefault(key, value)


def by_first_uid(content: dict) -> dict:
    """A uid that comes again is left out."""
    return content.first


def narrated(content: dict, items: str, time: str, text: str) -> list[tuple]:
    """(uid, pass, position, seconds, text) of what a file of narrations holds; of an entry that is none, nothing."""
    rows, seen = [], set()
    for key, entry in content.items():
        uid = clean_text(key)
        if uid in seen or not isinstance(entry, dict):
            seen.add(uid)
            continue
        seen.add(uid)
        passes: dict[str, object] = {}
        for name in sorted(n for n in entry if n == items or (n.startswith(items) and items[-1] == "_")):
            passes.setdefault(clean_text(name), entry[name])
        for name, one in passes.items():
            listed = one if items == "narrations" else one.get("narrations") if isinstance(one, dict) else None
            for place, item in enumerate(listed if isinstance(listed, list) else []):
                item = item if isinstance(item, dict) else {}
                words = item.get(text)
                words = clean_text(words) if isinstance(words, str) else ""
                rows.append((uid, name, place, real(item.get(time)), words))
    return rows


def test_narration_json(root: Path, clean):
    def read(data: bytes) -> list[tuple]:
        (root / "narration.json").write_bytes(data)
        read_videos(root)
        return list(Ego4DSource(root).narrations().itertuples(index=False, name=None))

    def right(data: bytes, found: list[tuple]) -> bool:
        content = by_first_uid(json.loads(data.decode(), object_pairs_hook=Object))
        return same_values(narrated(content, "narration_pass_", "timestamp_sec", "narration_text"), found)

    clean(Target("narration.json", [NARRATIONS], broken_json_text, read, right), 100)


def test_pooled_narrations(root: Path, clean):
    (root / "narration.json").unlink()

    def read(data: bytes) -> list[tuple]:
        (root / "all_narrations_redacted.json").write_bytes(data)
        read_videos(root)
        return list(Ego4DSource(root).narrations().itertuples(index=False, name=None))

    def right(data: bytes, found: list[tuple]) -> bool:
        videos = by_first_uid(json.loads(data.decode(), object_pairs_hook=Object)["videos"])
        without_pass = [(uid, *rest) for uid, _, *rest in found]
        expected = [(uid, *rest) for uid, _, *rest in narrated(videos, "narrations", "time", "text")]
        return same_values(expected, without_pass) and {row[1][:-1] for row in found} <= {"narration_pass_"}

    clean(Target("all_narrations_redacted.json", [POOLED], broken_json_text, read, right), 100)
