"""What the readers of tables make of broken files: narrations of one's own, and EPIC-KITCHENS-100's csv files."""

import ast
import csv
import io
import math
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest

from egocurate.clip_table import CSV_COLUMNS
from egocurate.curation.clips.compare_windows import compare_windows
from egocurate.curation.clips.read_clips import read_clips
from egocurate.curation.clips.selection import select_clips
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources.epic_kitchens import EpicKitchensSource
from egocurate.curation.sources.table import TableSource
from egocurate.curation.sources.videos_table import write_video_facts
from egocurate.curation.text.taxonomy import load_lexicon
from tests.fuzz.broken import broken_bytes
from tests.fuzz.broken_tables import broken_csv, broken_table, csv_bytes, parquet_bytes, read_back, same_values
from tests.fuzz.harness import Target

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
TRAIN = [
    "narration_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,narration,verb_class,all_noun_classes",
    "P01_01_0,P01_01,00:00:01.089,00:00:00.14,00:00:03.37,open door,3,[3]",
    "P01_01_1,P01_01,,00:00:04.37,00:00:06.17,turn on light,6,'[0, 15]'",
    "P02_01_0,P02_01,01:00:06.500,01:00:06.98,01:00:09.49,take plate,0,'[2, 91]'",
]
INFO = ["video_id,duration,fps,resolution", "P01_01,1652.15,60,1920x1080", "P02_01,4000,50,1280x720"]
VERBS = ["id;key;instances", "0;take;['take', 'pick-up']", "1;turn-on;['turn-on']"]
NOUNS = ["id;key;instances", "0;tap;['tap']", "1;lid:pan;['lid:pan', 'lid:frying:pan']"]
GOLD = [
    "video_uid,narration_source,narration_ind,gold_start,gold_stop",
    "kitchen,narration_pass_1,0,2.0,4.5",
    "kitchen,narration_pass_2,0,19,22.5",
]
TRAIN, INFO, GOLD = (list(csv.reader(lines, quotechar="'")) for lines in (TRAIN, INFO, GOLD))
VERBS, NOUNS = (list(csv.reader(lines, delimiter=";")) for lines in (VERBS, NOUNS))


def rows_of(data: bytes, delimiter: str) -> list[dict[str, str]] | None:
    """The rows of a csv file by its header, None where they are not a table: the standard library decides."""
    text = io.StringIO(data.decode("utf-8-sig"), newline="")
    table = [row for row in csv.reader(text, delimiter=delimiter, strict=True) if any(row)]
    header = [name.strip().lower() for name in table[0]]
    if any(len(row) > len(header) for row in table) or "\0" in "".join(map("".join, table)):
        return None
    return [dict(zip(header, row + [""] * (len(header) - len(row)), strict=True)) for row in table[1:]]


def separator(data: bytes) -> str:
    header = data.partition(b"\n")[0].decode("utf-8-sig", "replace")
    return max((",", "\t", ";"), key=header.count)


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


@pytest.fixture
def epic(tmp_path: Path) -> Path:
    tables = {"train": TRAIN, "video_info": INFO, "verb_classes": VERBS, "noun_classes": NOUNS}
    for name, rows in tables.items():
        (tmp_path / f"EPIC_100_{name}.csv").write_bytes(csv_bytes(rows))
    return tmp_path


def read_epic(root: Path) -> tuple[list[tuple], list[tuple], tuple]:
    source = EpicKitchensSource(root)
    narrations, videos = source.narrations(), source.videos()
    write_video_facts(videos, root / "out")
    select_clips(narrations, videos, EgoClipConfig())
    lexicon = load_lexicon(source.lexicon_dir())
    rows = list(narrations.itertuples(index=False, name=None))
    facts = videos[["video_uid", "video_dur", "width", "height", "split"]].itertuples(index=False, name=None)
    return rows, list(facts), (lexicon.verbs.labels, lexicon.nouns.labels)


def hours(text: str) -> float:
    if not text.strip():
        return math.nan
    hour, minute, second = re.fullmatch(r"([0-9]+):([0-5][0-9]):([0-5][0-9](?:\.[0-9]+)?)", text.strip()).groups()
    return float(hour) * 3600 + float(minute) * 60 + float(second)


def epic_clips(rows: list[dict]) -> list[tuple]:
    names = ("narration_id", "video_id", "narration_timestamp", "narration")
    distinct = list({tuple(row[name] for name in names): row for row in rows}.values())
    words = [row["narration"].strip() for row in distinct]
    ids = [re.fullmatch(r"(?s).*_([0-9]+)", row["narration_id"])[1] for row in distinct]
    times = [hours(row["narration_timestamp"]) for row in distinct]
    texts = [f"#C C {text}" if text else "" for text in words]
    columns = ([row["video_id"] for row in distinct], map(int, ids), times, texts)
    return [(uid, "narration_pass_1", number, time, text) for uid, number, time, text in zip(*columns, strict=True)]


def test_epic_narrations(epic: Path, clean):
    path = epic / "EPIC_100_train.csv"

    def read(data: bytes) -> list[tuple]:
        path.write_bytes(data)
        return read_epic(epic)[0]

    def right(data: bytes, found: list[tuple]) -> bool:
        rows = rows_of(data, separator(data))
        return rows is not None and same_values(epic_clips(rows), found)

    clean(Target("EPIC_100_train.csv", [TRAIN], broken_csv, read, right), 100)


def test_epic_videos(epic: Path, clean):
    path = epic / "EPIC_100_video_info.csv"

    def read(data: bytes) -> list[tuple]:
        path.write_bytes(data)
        return read_epic(epic)[1]

    def right(data: bytes, found: list[tuple]) -> bool:
        rows = rows_of(data, separator(data))
        if rows is None:
            return False
        expected = []
        for row in rows:
            size = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", row["resolution"])
            seconds = float(row["duration"]) if row["duration"].strip() else math.nan
            seconds = seconds if 0 < seconds <= 1e7 else math.nan
            width, height = map(int, size.groups()) if size else (0, 0)
            expected.append((row["video_id"], seconds, width, height))
        listed = {row[0] for row in expected}
        rest = [row[0] for row in found if row[0] not in listed]
        return same_values(expected, [row[:4] for row in found if row[0] in listed]) and set(rest) <= {
            "P01_01",
            "P02_01",
        }

    clean(Target("EPIC_100_video_info.csv", [INFO], broken_csv, read, right), 100)


def test_epic_classes(epic: Path, clean):
    path = epic / "EPIC_100_noun_classes.csv"

    def read(data: bytes) -> list[str]:
        path.write_bytes(data)
        return read_epic(epic)[2][1]

    def right(data: bytes, found: list[str]) -> bool:
        rows = rows_of(data, separator(data))
        if rows is None or [row["id"] for row in rows] != [str(number) for number in range(len(rows))]:
            return False
        lists = [ast.literal_eval(row["instances"]) for row in rows]
        is_words = all(isinstance(one, list) and all(isinstance(word, str) for word in one) for one in lists)
        return is_words and len(found) == len(rows)

    clean(Target("EPIC_100_noun_classes.csv", [NOUNS], broken_csv, read, right), 100)


def test_epic_segments(tmp_path: Path, clean):
    path = tmp_path / "EPIC_100_retrieval_test.csv"

    def read(data: bytes) -> list[tuple]:
        path.write_bytes(data)
        left_out = ("clip_idx", "video_dur", "narration_source")
        names = [name for name in CSV_COLUMNS if name not in left_out]
        return sorted(map(repr, read_clips(path).select(names).to_pylist()))

    def right(data: bytes, found: list[tuple]) -> bool:
        rows = rows_of(data, separator(data))
        expected = []
        for row in rows or ():
            start, end = hours(row["start_timestamp"]), hours(row["stop_timestamp"])
            time = hours(row["narration_timestamp"])
            nouns = ast.literal_eval(row["all_noun_classes"])
            if not (all(type(noun) is int and noun >= 0 for noun in nouns)):
                return False
            expected.append(
                {
                    "video_uid": row["video_id"],
                    "narration_ind": int(row["narration_id"].rpartition("_")[2]),
                    "narration_time": start if math.isnan(time) else time,
                    "clip_start": start,
                    "clip_end": end,
                    "clip_text": "#C C " + row["narration"].strip(),
                    "tag_verb": [int(row["verb_class"])],
                    "tag_noun": sorted(set(nouns)),
                }
            )
        ids = {row["narration_id"] for row in rows or ()}
        return rows is not None and len(ids) == len(rows) and sorted(map(repr, expected)) == found

    clean(Target("EPIC segments csv", [TRAIN], broken_csv, read, right), 100)


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
