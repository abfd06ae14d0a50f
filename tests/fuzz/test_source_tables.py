"""What the readers of one's own tables make of broken files: narrations, and gold segments."""

import csv
import math
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from egocurate.curation.clips.compare_windows import compare_windows
from egocurate.curation.clips.selection import select_clips
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources.table import TableSource
from egocurate.curation.sources.videos_table import write_video_facts
from tests.fuzz.broken import broken_bytes
from tests.fuzz.broken_tables import broken_csv, broken_table, csv_bytes, parquet_bytes, read_back, same_values
from tests.fuzz.harness import Target
from tests.fuzz.plain_csv import rows_of, separator

TABLE = [
    ["video", "time", "text", "pass", "duration", "split"],
    ["videos/kitchen.mp4", "2.5", "#C C takes a cup, and a plate", "1", "60", "train"],
    ["videos/kitchen.mp4", "0:01:04.2", "#C C washes the cup é", "2", "60", "train"],
    ["hall.mp4", "7", "#C C opens the door", "", "1:30", "val"],
]
TYPED = pa.table(
    {
        "video": ["a.mp4", "a.mp4", "b.mp4"],
        "time": [1.5, 2.0, 60.25],
        "text": ["#C C takes a cup", "#C C lifts it é", "#O a man X walks"],
        "pass": pa.array([1, 2, 1], pa.int64()),
        "duration": ["62.5", "62.5", "1:02"],
    }
)
GOLD = [
    "video_uid,narration_source,narration_ind,gold_start,gold_stop",
    "kitchen,narration_pass_1,0,2.0,4.5",
    "kitchen,narration_pass_2,0,19,22.5",
]
GOLD = list(csv.reader(GOLD))


def clock(text: str) -> float:
    """Seconds of "62.5" or "1:02.5"; NaN of words without a digit."""
    *before, last = text.replace(",", ".").split(":")
    if not re.fullmatch(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", last):
        return math.nan
    return (
        float(last) + sum(int(part) * 60**place for place, part in enumerate(reversed(before), 1))
        if before
        else float(last)
    )


def numbered(name: str) -> str:
    whole = re.fullmatch(r"([0-9]+)(\.0)?", name)
    return f"narration_pass_{whole[1]}" if whole else name or "narration_pass_1"


def read_table(path: Path) -> list[tuple]:
    source = TableSource(path)
    narrations, videos = source.narrations(), source.videos()
    write_video_facts(videos, path.parent / "out")
    assert all("\n" not in note for note in source.notes())
    select_clips(narrations, videos, EgoClipConfig())
    facts = videos.set_index("video_uid")[["video_dur", "split"]]
    known = {uid: (float(row["video_dur"]), row["split"]) for uid, row in facts.iterrows()}
    rows = narrations.drop(columns="narration_ind").itertuples(index=False, name=None)
    return [(*row, *known.get(row[0], (math.nan, ""))) for row in rows]


def table_rows(rows: list[dict]) -> list[tuple]:
    found = []
    for row in rows:
        row = {name: value.strip() for name, value in row.items()}
        uid = row.get("video_uid") or Path(row["video"]).stem
        splits = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}
        split = row.get("split", "").lower()
        length = clock(row.get("duration", ""))
        facts = (length, splits.get(split, split)) if uid else (math.nan, "")
        found.append((uid, numbered(row.get("pass", "")), clock(row["time"]), row["text"], *facts))
    return found


def test_csv_table(tmp_path: Path, clean):
    path = tmp_path / "table.csv"

    def read(data: bytes) -> list[tuple]:
        path.write_bytes(data)
        return read_table(path)

    def right(data: bytes, found: list[tuple]) -> bool:
        rows = rows_of(data, separator(data))
        return rows is not None and same_values(table_rows(rows), found)

    clean(Target("table of narrations, csv", [TABLE], broken_csv, read, right), 100)


def as_text(value: object) -> str:
    return "" if value is None or value != value else str(value)


def test_parquet_table(tmp_path: Path, clean):
    path = tmp_path / "table.parquet"

    def read(table: pa.Table) -> list[tuple]:
        path.write_bytes(parquet_bytes(table))
        return read_table(path)

    def right(table: pa.Table, found: list[tuple]) -> bool:
        kinds = {"video", "text", "time", "duration", "pass", "split", "video_uid"}
        for column in table.schema:
            name, kind = column.name.strip().lower(), column.type
            kind = kind.value_type if pa.types.is_dictionary(kind) else kind
            is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
            is_number = pa.types.is_floating(kind) or pa.types.is_integer(kind)
            if name in kinds and not (is_text or is_number or pa.types.is_null(kind)):
                return False
        try:
            rows = [{name.strip().lower(): as_text(value) for name, value in row.items()} for row in table.to_pylist()]
        except UnicodeDecodeError:
            return False
        if any("\0" in value for row in rows for name, value in row.items() if name in kinds):
            return False
        return same_values(table_rows(rows), found)

    clean(Target("table of narrations, parquet", [TYPED], broken_table, read, right), 100)


def test_bytes_of_a_parquet_table(clean):
    clean(parquet_bytes_target, 100)


def parquet_bytes_target() -> Target:
    folder = TemporaryDirectory()  # removed with the process: this one may crash

    def read(data: bytes) -> list[tuple]:
        path = Path(folder.name) / "table.parquet"
        path.write_bytes(data)
        return read_table(path)

    def right(data: bytes, found: list[tuple]) -> bool:
        rows = read_back(data).to_pylist()
        return same_values(table_rows([{n: as_text(v) for n, v in row.items()} for row in rows]), found)

    whole = [parquet_bytes(TYPED), parquet_bytes(TYPED, compression="none", use_dictionary=False)]
    return Target("table of narrations, bytes of the parquet", whole, broken_bytes, read, right)


def test_gold_segments(tmp_path: Path, clean):
    narrations, path = tmp_path / "table.csv", tmp_path / "gold.csv"
    rows = [
        ["kitchen.mp4", time, f"#C C takes cup {number}", number, "60"] for number, time in (("1", "2.5"), ("2", "20"))
    ]
    narrations.write_bytes(csv_bytes([["video", "time", "text", "pass", "duration"], *rows]))
    source = TableSource(narrations)

    def read(data: bytes) -> list[float]:
        path.write_bytes(data)
        return compare_windows(source, path)[["gold_clips", "hit"]].to_numpy(np.float64).tolist()

    def right(data: bytes, found: list[float]) -> bool:
        rows = rows_of(data, ",")
        wanted = {("kitchen", "narration_pass_1", 0), ("kitchen", "narration_pass_2", 0)}
        gold = {(row["video_uid"], row["narration_source"], int(row["narration_ind"])): row for row in rows or ()}
        spans = [(float(row["gold_start"]), float(row["gold_stop"])) for name, row in gold.items() if name in wanted]
        ordered = all(math.isfinite(end - start) and start < end for start, end in spans)
        return rows is not None and ordered and all(clips == len(spans) for clips, _ in found)

    clean(Target("gold segments csv", [GOLD], broken_csv, read, right), 60)
