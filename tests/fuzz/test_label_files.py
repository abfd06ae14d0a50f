"""What the readers of labels make of broken files: a csv, a list, Ego4D's state changes, names of classes."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np

from egocurate.curation.labels.label_names import number_labels, read_names
from egocurate.curation.labels.read_annotations import read_annotations
from tests.fuzz.broken import broken_bytes, broken_json
from tests.fuzz.broken_tables import broken_csv
from tests.fuzz.harness import Target

CSV_ROWS = [
    ["video", "start_sec", "end_sec", "label"],
    ["a/v0.mp4", "0.5", "2", "take"],
    ["v1.mp4", "", "", "put"],
    ["v0b", "1:02.5", "0:01:09", "take"],
]
LIST = b"a/x.mp4 3\nb/y.mp4 0\nc/z.avi 12\n"
CLIP = {"video_uid": "v", "unique_id": "u", "parent_start_sec": 0.0, "parent_end_sec": 8.0, "state_change": True}
STATES = {"clips": [CLIP | {"parent_pnr_frame": 60}, CLIP | {"state_change": False, "parent_pnr_frame": None}]}


def read_file(path: Path, data: bytes) -> list[tuple]:
    path.write_bytes(data)
    rows = read_annotations(path, ())
    numbers, names, _ = number_labels(rows, {})
    (kind,) = rows.labels
    assert all(-1 <= number < len(names[kind]) for number in numbers[kind])
    return list(zip(rows.video, rows.start.tolist(), rows.end.tolist(), rows.labels[kind], rows.time, strict=True))


def test_a_csv_of_labels(tmp_path: Path, clean):
    def right(data: bytes, found: list[tuple]) -> bool:
        text = data.decode("utf-8-sig")
        lines = filter(None, csv.reader(io.StringIO(text, newline=""), strict=True))
        header = [name.strip().lower() for name in next(lines)]
        if "video" not in header:  # another of the names of that column, or a list without a header
            return True
        rows = [dict(zip(header, row + [""] * len(header), strict=False)) for row in lines if any(row)]
        told = [(row["video"].strip(), row["label"].strip()) for row in rows]
        ordered = all(not end <= start for _, start, end, _, _ in found)
        return ordered and told == [(video, label) for video, _, _, label, _ in found]

    clean(
        Target("labels.csv", [CSV_ROWS], broken_csv, lambda data: read_file(tmp_path / "labels.csv", data), right), 300
    )


def test_a_list_of_paths_and_labels(tmp_path: Path, clean):
    def right(data: bytes, found: list[tuple]) -> bool:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines() if line.strip()]
        glued = ["".join(line.split()).replace(",", "") for line in lines]
        return all(
            line.startswith("".join(video.split()).replace(",", "")) and line.endswith("".join(label.split()))
            for line, (video, _, _, label, _) in zip(glued, found, strict=True)
        )

    clean(Target("train.txt", [LIST], broken_bytes, lambda data: read_file(tmp_path / "train.txt", data), right), 300)


def test_state_changes(tmp_path: Path, clean):
    def read(content: object) -> list[tuple]:
        return read_file(tmp_path / "fho_oscc-pnr_train.json", json.dumps(content).encode())

    def right(content: object, found: list[tuple]) -> bool:
        clips = content["clips"]
        return len(clips) == len(found) and all(
            video == clip["video_uid"]
            and (start, end) == (clip["parent_start_sec"], clip["parent_end_sec"])
            and 0 <= start < end < math.inf
            and label == ("" if not isinstance(clip.get("state_change"), bool) else str(int(clip["state_change"])))
            and (np.isnan(time) if label != "1" else start <= time <= end)
            for clip, (video, start, end, label, time) in zip(clips, found, strict=True)
        )

    clean(Target("fho_oscc-pnr_train.json", [STATES], broken_json, read, right), 300)


def test_names_of_classes(tmp_path: Path, clean):
    whole = [b"0 take\n1 put it\n", b"take\nput it\n", b"id,key\n0,take\n1,put\n"]

    def read(data: bytes) -> list[str]:
        (tmp_path / "names.csv").write_bytes(data)
        return read_names(tmp_path / "names.csv")

    def right(data: bytes, found: list[str]) -> bool:
        text = data.decode("utf-8-sig")
        return all(name in text or name == str(number) for number, name in enumerate(found))

    clean(Target("names of classes", whole, broken_bytes, read, right), 300)
