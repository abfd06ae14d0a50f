"""What the readers of published benchmarks make of broken files: EPIC's retrieval, Charades-Ego, captions of videos."""

import ast
import csv
import io
from pathlib import Path

from egocurate.training.tasks.charades import CLASSES, VIDEOS, read_charades
from egocurate.training.tasks.epic_retrieval import CLIPS, SENTENCES, read_retrieval
from egocurate.training.tasks.zero_shot.video_retrieval import read_captions
from tests.fuzz.broken_tables import broken_csv, csv_bytes
from tests.fuzz.harness import Target

CLIP_ROWS = [
    ["narration_id", "narration", "verb_class", "all_noun_classes"],
    ["P01_11_0", "take plate", "0", "[2]"],
    ["P01_11_1", "put pizza onto plate", "1", "[91, 2]"],
    ["P02_03_7", "open door", "3", "[3]"],
]
SENTENCE_ROWS = [["narration_id", "narration"], ["P01_11_0", "take plate"], ["P02_03_7", "open door é"]]
VIDEO_ROWS = [["id", "subject", "actions"], ["AAAAA", "x", "c000 11.90 21.20;c001 0.00 12.60"], ["BBBBB", "y", ""]]
CAPTION_ROWS = [["key", "video_id", "sentence"], ["1", "video7010", "a man, who cooks"], ["2", "video7010", "é cuts"]]


def rows_of(data: bytes) -> list[dict[str, str]]:
    header, *rows = filter(None, csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    if any(len(row) != len(header) for row in rows):
        raise ValueError("a row has other cells than the header")
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_clips_of_epic_retrieval(tmp_path: Path, clean):
    (tmp_path / SENTENCES).write_bytes(csv_bytes(SENTENCE_ROWS))

    def read(data: bytes) -> list[tuple]:
        (tmp_path / CLIPS).write_bytes(data)
        found = read_retrieval(tmp_path)
        return list(zip(found.ids, found.clips.verb.tolist(), found.clips.nouns, strict=True))

    def right(data: bytes, found: list[tuple]) -> bool:
        rows = rows_of(data)
        nouns = [ast.literal_eval(row["all_noun_classes"]) for row in rows]
        is_whole = all(isinstance(one, list) and all(type(noun) is int and noun >= 0 for noun in one) for one in nouns)
        told = [(row["narration_id"], int(row["verb_class"]), set(one)) for row, one in zip(rows, nouns, strict=True)]
        return is_whole and told == found and len({row["narration_id"] for row in rows}) == len(rows)

    clean(Target("EPIC_100_retrieval_test.csv", [CLIP_ROWS], broken_csv, read, right), 300)


def test_sentences_of_epic_retrieval(tmp_path: Path, clean):
    (tmp_path / CLIPS).write_bytes(csv_bytes(CLIP_ROWS))

    def read(data: bytes) -> list[str]:
        (tmp_path / SENTENCES).write_bytes(data)
        return read_retrieval(tmp_path).sentences

    def right(data: bytes, found: list[str]) -> bool:
        names = ("narration", "sentence")
        return [next(row[n] for n in names if n in row).strip() for row in rows_of(data)] == found

    clean(Target("EPIC_100_retrieval_test_sentence.csv", [SENTENCE_ROWS], broken_csv, read, right), 300)


def test_videos_of_charades_ego(tmp_path: Path, clean):
    (tmp_path / CLASSES).write_text("c000 Holding some clothes\nc001 Closing a door\n")

    def read(data: bytes) -> list[tuple]:
        (tmp_path / VIDEOS).write_bytes(data)
        found = read_charades(tmp_path)
        return list(zip(found.ids, found.labels.tolist(), strict=True))

    def right(data: bytes, found: list[tuple]) -> bool:
        rows = rows_of(data)
        shown = [{action.split()[0] for action in row["actions"].split(";") if action.strip()} for row in rows]
        told = [(row["id"], ["c000" in one, "c001" in one]) for row, one in zip(rows, shown, strict=True)]
        plain = all(row["id"] and not {"/", "\\", "\0"} & set(row["id"]) and row["id"] != ".." for row in rows)
        return plain and told == found

    clean(Target("CharadesEgo_v1_test_only1st.csv", [VIDEO_ROWS], broken_csv, read, right), 300)


def test_captions_of_videos(tmp_path: Path, clean):
    def read(data: bytes) -> list[tuple[str, str]]:
        (tmp_path / "captions.csv").write_bytes(data)
        found = read_captions(tmp_path / "captions.csv")
        return [(found.videos[owner], text) for owner, text in zip(found.owners, found.sentences, strict=True)]

    def right(data: bytes, found: list[tuple[str, str]]) -> bool:
        rows = rows_of(data)
        name = "sentence" if "sentence" in rows[0] else "caption"
        return found == [(row["video_id"].strip(), " ".join(row[name].split())) for row in rows]

    clean(Target("captions.csv", [CAPTION_ROWS], broken_csv, read, right), 300)
