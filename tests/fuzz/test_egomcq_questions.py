"""What the three readers of EgoMCQ make of broken files: questions to ask, questions to check, their clips."""

import itertools
import json
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pytest

from egocurate.curation.egomcq.check import check_file, not_checked
from egocurate.errors import InputError
from egocurate.questions import CLIPS_FILE, ITEM_FIELDS, QUESTIONS_FILE, read_questions
from tests.fuzz.broken import broken_json_text
from tests.fuzz.broken_tables import broken_table, parquet_bytes
from tests.fuzz.harness import Target


def clip(video: int, number: int) -> dict:
    start = 10.0 * number
    return {
        "video_uid": f"0d2a6a06-{video}",
        "video_dur": 600.5,
        "narration_source": "narration_pass_1",
        "narration_ind": number,
        "narration_time": start + 1,
        "clip_start": start,
        "clip_end": start + 2.5,
        "clip_text": f"#C C takes thing {video} {number} é",
        "tag_verb": f"[{number}]",
        "tag_noun": f"[{100 + 10 * video + number}]",
    }


def question(clips: list[dict], answer: int, kind: int) -> dict:
    choices = {str(place): one for place, one in enumerate(clips)}
    return {"query": dict(clips[answer]), "answer": answer, "choices": choices, "types": kind}


QUESTIONS = {
    "0": question([clip(video, 0) for video in range(5)], 3, 1),
    "1": question([clip(7, number) for number in range(5)], 0, 2),
    "2": question([clip(video, 1) for video in range(1, 6)], 1, 1),
}


def clips_table() -> pa.Table:
    items = {(one["video_uid"], one["narration_ind"]): one for q in QUESTIONS.values() for one in q["choices"].values()}
    rows = [{**one, "place": one["narration_ind"], "scene": n} for n, (_, one) in enumerate(sorted(items.items()))]
    scene = {uid: number for number, uid in enumerate(sorted({row["video_uid"] for row in rows}))}
    return pa.Table.from_pylist([{**row, "scene": scene[row["video_uid"]]} for row in rows])


CLIPS = clips_table()


def test_questions_to_ask(tmp_path: Path, clean):
    path = tmp_path / QUESTIONS_FILE

    def read(data: bytes) -> dict:
        path.write_bytes(data)
        return {
            name: (asdict(one), [option.key for option in one.options]) for name, one in read_questions(path).items()
        }

    def right(data: bytes, found: dict) -> bool:
        content = json.loads(data)
        for name, entry in content.items():
            asked, keys = found[name]
            options = [entry["choices"][str(place)] for place in range(5)]
            ids = [(one["video_uid"], one["narration_source"], one["narration_ind"]) for one in options]
            is_typed = all(type(uid) is type(source) is str and type(number) is int for uid, source, number in ids)
            is_typed = is_typed and type(asked["answer"]) is type(entry["answer"]) is type(entry["types"]) is int
            said = [tuple(option.values()) for option in asked["options"]]
            if not is_typed or said != ids or len(set(keys)) < len(set(ids)):
                return False
            told = (entry["query"]["clip_text"], entry["answer"], entry["types"])
            if (asked["text"], asked["answer"], asked["type"]) != told:
                return False
        return bool(content) and content.keys() == found.keys()

    clean(Target("egomcq.json to ask", [QUESTIONS], broken_json_text, read, right), 400)


def is_as_promised(content: dict) -> bool:
    """Tell by the paper's words whether questions are sound: the shape, one true answer, five things apart."""
    if not content or list(content) != [str(number) for number in range(len(content))]:
        return False
    for entry in content.values():
        options = [entry["choices"][str(place)] for place in range(5)]
        uids = {one["video_uid"] for one in options}
        if len(entry["choices"]) > 5 or entry["query"] != options[entry["answer"]] or type(entry["answer"]) is not int:
            return False
        if entry["types"] not in (1, 2) or len(uids) != (5 if entry["types"] == 1 else 1) or entry["types"] is True:
            return False
        for one in options:
            numbers = [one[name] for name in ("video_dur", "narration_time", "clip_start", "clip_end")]
            if set(one) != set(ITEM_FIELDS) or not all(type(number) in (int, float) for number in numbers):
                return False
            if not (-1e7 <= min(numbers) <= max(numbers) <= 1e7 and one["clip_start"] < one["clip_end"]):
                return False
        for one, other in itertools.combinations(options, 2):
            tags = [(set(json.loads(one[name])), set(json.loads(other[name]))) for name in ("tag_verb", "tag_noun")]
            if one["clip_text"] == other["clip_text"] or all(a & b or not (a or b) for a, b in tags):
                return False
    return True


def checked(path: Path) -> list[str]:
    problems, notes = check_file(path), not_checked(path)
    for line in (*problems, *notes):
        if "\n" in line or len(line) > 1000:
            raise ValueError(f"not one line: {line!r}")
    return problems


@pytest.mark.parametrize("beside", [False, True])
def test_questions_to_check(tmp_path: Path, clean, beside):
    path = tmp_path / QUESTIONS_FILE
    if beside:
        (tmp_path / CLIPS_FILE).write_bytes(parquet_bytes(CLIPS))

    def read(data: bytes) -> bool:
        path.write_bytes(data)
        if checked(path):
            raise InputError("problems are named")
        return True

    def right(data: bytes, found: bool) -> bool:
        return is_as_promised(json.loads(data))

    name = "egomcq.json to check" + (" beside its clips" if beside else "")
    clean(Target(name, [QUESTIONS], broken_json_text, read, right), 300)


def test_clips_of_questions(tmp_path: Path, clean):
    path = tmp_path / QUESTIONS_FILE
    path.write_text(json.dumps(QUESTIONS))

    def read(table: pa.Table) -> bool:
        (tmp_path / CLIPS_FILE).write_bytes(parquet_bytes(table))
        if checked(path):
            raise InputError("problems are named")
        return True

    def right(table: pa.Table, found: bool) -> bool:
        """Of each clip the table must say what the question says, and the two numbers if they are there at all."""
        names = (
            "video_uid",
            "narration_source",
            "narration_ind",
            "narration_time",
            "clip_start",
            "clip_end",
            "clip_text",
        )
        table = table.select([*names, *(name for name in ("place", "scene") if name in table.column_names)])
        rows = table.to_pylist()
        asked = [one for entry in QUESTIONS.values() for one in entry["choices"].values()]
        ids = [tuple(row[name] for name in names[:3]) for row in rows]
        listed = [tuple(row[name] for name in names) for row in rows]
        typed = all(type(row[name]) is int for row in rows for name in ("place", "scene") if name in row)
        return (
            typed and len(set(ids)) == len(ids) and all(tuple(one[name] for name in names) in listed for one in asked)
        )

    clean(Target("egomcq_clips.parquet", [CLIPS], broken_table, read, right), 300)


def test_table_of_trained_videos(tmp_path: Path, clean):
    path = tmp_path / QUESTIONS_FILE
    path.write_text(json.dumps(QUESTIONS))
    trained = pa.table({"video_uid": ["other-1", "other-2", "0d2a6a06-7"], "clip_idx": [0, 1, 2]})

    def read(table: pa.Table) -> bool:
        (tmp_path / "egoclip.parquet").write_bytes(parquet_bytes(table))
        return any("egoclip.parquet" in problem for problem in checked(path))

    def right(table: pa.Table, found: bool) -> bool:
        kind = table.schema.field("video_uid").type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        return (
            is_text and found == ("0d2a6a06-7" in table["video_uid"].to_pylist()) and table["video_uid"].null_count == 0
        )

    clean(Target("egoclip.parquet beside questions", [trained], broken_table, read, right), 150)
