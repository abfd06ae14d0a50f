"""What the readers of EPIC-KITCHENS-100's csv files make of broken ones: narrations, videos, classes, segments."""

import ast
import csv
import math
import re
from pathlib import Path

import pytest

from egocurate.clip_table import CSV_COLUMNS
from egocurate.curation.clips.read_clips import read_clips
from egocurate.curation.clips.selection import select_clips
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources.epic_kitchens import EpicKitchensSource
from egocurate.curation.sources.videos_table import write_video_facts
from egocurate.curation.text.taxonomy import load_lexicon
from tests.fuzz.broken_tables import broken_csv, csv_bytes, same_values
from tests.fuzz.harness import Target
from tests.fuzz.plain_csv import rows_of, separator

TRAIN = [
    "narration_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,narration,verb_class,all_noun_classes",
    "P01_01_0,P01_01,00:00:01.089,00:00:00.14,00:00:03.37,open door,3,[3]",
    "P01_01_1,P01_01,,00:00:04.37,00:00:06.17,turn on light,6,'[0, 15]'",
    "P02_01_0,P02_01,01:00:06.500,01:00:06.98,01:00:09.49,take plate,0,'[2, 91]'",
]
INFO = ["video_id,duration,fps,resolution", "P01_01,1652.15,60,1920x1080", "P02_01,4000,50,1280x720"]
VERBS = ["id;key;instances", "0;take;['take', 'pick-up']", "1;turn-on;['turn-on']"]
NOUNS = ["id;key;instances", "0;tap;['tap']", "1;lid:pan;['lid:pan', 'lid:frying:pan']"]
TRAIN, INFO = (list(csv.reader(lines, quotechar="'")) for lines in (TRAIN, INFO))
VERBS, NOUNS = (list(csv.reader(lines, delimiter=";")) for lines in (VERBS, NOUNS))


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
