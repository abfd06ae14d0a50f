import copy
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egocurate.curation.config import EgoMCQConfig
from egocurate.curation.egomcq.check import check_egomcq, check_file, not_checked
from egocurate.curation.egomcq.draw import build_egomcq, one_pass, write_egomcq
from egocurate.curation.text.marks import normalize
from egocurate.errors import InputError
from egocurate.questions import INTER, INTRA, ITEM_FIELDS

CONFIG = EgoMCQConfig(videos="all", inter=60, intra=40, seed=3)


def clips_table(videos=8, per_pass=30, verbs=9, nouns=12, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for video in range(videos):
        for narrator in (1, 2):
            for ind, time in enumerate(np.sort(rng.uniform(1, 200, per_pass)).round(3)):
                verb, noun = (
                    sorted(set(rng.integers(0, size, rng.integers(0, 3)).tolist())) for size in (verbs, nouns)
                )
                text = f"#C C does {verb} to {noun}"
                rows.append(
                    {
                        "clip_idx": len(rows),
                        "video_uid": f"video-{video:02d}",
                        "video_dur": 201.5,
                        "narration_source": f"narration_pass_{narrator}",
                        "narration_ind": ind,
                        "narration_time": float(time),
                        "clip_start": float(time) - 0.5,
                        "clip_end": float(time) + 0.5,
                        "clip_text": text,
                        "tag_verb": verb,
                        "tag_noun": noun,
                        "text": normalize(text),
                        "negatives": [0],
                    }
                )
    lists = {name: pa.list_(pa.int32()) for name in ("tag_verb", "tag_noun")} | {"negatives": pa.list_(pa.int64())}
    frame = {name: [row[name] for row in rows] for name in rows[0]}
    return pa.table({name: pa.array(column, lists.get(name)) for name, column in frame.items()})


def scenes_of(table, per_scene=1):
    return {uid: int(uid[-2:]) // per_scene for uid in set(table["video_uid"].to_pylist())}


def columns_of(table):
    return [table[name].to_pylist() for name in ("video_uid", "narration_source", "narration_ind")]


TABLE = clips_table()
SCENES = scenes_of(TABLE)
BUILT = build_egomcq(TABLE, SCENES, CONFIG)


def test_questions_pass_the_check_and_come_inter_first():
    assert check_egomcq(BUILT.questions, SCENES, TABLE, BUILT.clips) == []
    assert [question["types"] for question in BUILT.questions.values()] == [INTER] * 60 + [INTRA] * 40
    assert BUILT.counts["inter"] == 60 and BUILT.counts["intra"] == 40


def test_published_schema():
    question = json.loads(json.dumps(BUILT.questions))["0"]
    assert list(question) == ["query", "answer", "choices", "types"]
    assert list(question["choices"]) == ["0", "1", "2", "3", "4"]
    assert list(question["query"]) == list(ITEM_FIELDS)
    assert isinstance(question["query"]["tag_verb"], str)
    assert question["query"] == question["choices"][str(question["answer"])]


def test_answer_slots_are_balanced_within_each_type():
    for kind, each in ((INTER, 12), (INTRA, 8)):
        slots = Counter(question["answer"] for question in BUILT.questions.values() if question["types"] == kind)
        assert slots == dict.fromkeys(range(5), each)


def test_one_pass_of_each_video_is_used_and_both_passes_are_drawn():
    passes = {}
    for question in BUILT.questions.values():
        for item in question["choices"].values():
            passes.setdefault(item["video_uid"], set()).add(item["narration_source"])
    assert all(len(one) == 1 for one in passes.values())
    assert len(set().union(*passes.values())) == 2


def test_one_pass_of_each_video_is_left():
    frame = TABLE.select(["video_uid", "narration_source", "narration_ind"]).to_pandas()
    frame = frame[(frame["video_uid"] != "video-03") | (frame["narration_source"] == "narration_pass_2")]
    drawn = {seed: one_pass(frame, seed) for seed in range(20)}
    chosen = {
        seed: part.groupby("video_uid")["narration_source"].unique().str.join(" ") for seed, part in drawn.items()
    }
    for seed, part in drawn.items():
        assert len(part) == 8 * 30
        assert set(chosen[seed]) <= {"narration_pass_1", "narration_pass_2"}
        assert chosen[seed]["video-03"] == "narration_pass_2"
    assert {passes["video-00"] for passes in chosen.values()} == {"narration_pass_1", "narration_pass_2"}
    assert one_pass(frame.sample(frac=1, random_state=0), 4).sort_index().equals(drawn[4])


def test_the_seed_fixes_everything_and_the_kinds_are_independent():
    assert build_egomcq(TABLE, SCENES, CONFIG).questions == BUILT.questions
    assert build_egomcq(TABLE, SCENES, replace(CONFIG, seed=4)).questions != BUILT.questions
    fewer = build_egomcq(TABLE, SCENES, replace(CONFIG, inter=0)).questions
    assert [fewer[str(number)] for number in range(40)] == [BUILT.questions[str(number)] for number in range(60, 100)]


def test_clips_are_those_of_the_questions_numbered_anew():
    shown = {
        (item["video_uid"], item["narration_source"], item["narration_ind"])
        for question in BUILT.questions.values()
        for item in question["choices"].values()
    }
    assert list(zip(*columns_of(BUILT.clips), strict=True)) == sorted(shown)
    assert BUILT.clips["clip_idx"].to_pylist() == list(range(len(shown)))
    assert not any(BUILT.clips["negatives"].to_pylist())
    places = dict(zip(zip(*columns_of(BUILT.clips), strict=True), BUILT.clips["place"].to_pylist(), strict=True))
    kept = sorted(zip(*columns_of(TABLE), strict=True))  # narration_ind is in the order of time here
    for clip, place in places.items():
        assert place == [one for one in kept if one[:2] == clip[:2]].index(clip)
    assert BUILT.clips.schema.field("tag_verb").type == TABLE.schema.field("tag_verb").type


def test_multi_camera_videos_never_meet():
    scenes = scenes_of(TABLE, per_scene=2)  # 4 scenes: too few for inter
    assert build_egomcq(TABLE, scenes, CONFIG).counts["inter"] == 0
    wide = clips_table(videos=12)
    built = build_egomcq(wide, scenes_of(wide, per_scene=2), CONFIG)
    assert built.counts["inter"] == 60
    assert check_egomcq(built.questions, scenes_of(wide, per_scene=2), wide) == []


def test_what_can_be_made_is_made_and_counted():
    table = clips_table(videos=5, per_pass=2)
    built = build_egomcq(table, {}, replace(CONFIG, inter=5000, intra=10))
    assert 0 < built.counts["inter"] <= 2**5 and built.counts["inter_asked"] == 5000
    assert built.counts["intra"] == 0
    assert check_egomcq(built.questions) == []
    inter, intra = built.short
    assert inter.startswith(f"{built.counts['inter']} of 5,000 inter") and intra.startswith("0 of 10 intra")
    assert BUILT.short == []


def test_too_few_scenes_are_named():
    built = build_egomcq(TABLE, scenes_of(TABLE, per_scene=2), CONFIG)
    assert "each needs 5 scenes" in built.short[0] and "their scenes: 4" in built.short[0]


def test_no_question_at_all_is_refused():
    for table in (clips_table(videos=2, per_pass=4), TABLE.slice(0, 0)):
        with pytest.raises(InputError, match="no EgoMCQ question can be made"):
            build_egomcq(table, {}, CONFIG)


def test_rows_in_another_order_give_the_same_questions():
    order = np.random.default_rng(1).permutation(len(TABLE))
    assert build_egomcq(TABLE.take(order), SCENES, CONFIG).questions == BUILT.questions


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 14), st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_any_table_gives_sound_questions_or_none(videos, per_pass, verbs, nouns, seed):
    table = clips_table(videos, per_pass, verbs, nouns, seed)
    scenes = scenes_of(table)
    try:
        built = build_egomcq(table, scenes, EgoMCQConfig(videos="all", inter=20, intra=20, seed=seed))
    except InputError:
        return
    assert check_egomcq(built.questions, scenes, table, built.clips) == []


def test_written_files_are_checked_as_files(tmp_path):
    write_egomcq(BUILT, tmp_path)
    assert pq.read_table(tmp_path / "egomcq_clips.parquet").equals(BUILT.clips)
    assert json.loads((tmp_path / "egomcq.json").read_text()) == BUILT.questions
    assert check_file(tmp_path / "egomcq.json") == []
    with_place = BUILT.clips.set_column(
        BUILT.clips.column_names.index("place"), "place", pa.array([7 * n for n in BUILT.clips["place"].to_pylist()])
    )
    pq.write_table(with_place, tmp_path / "egomcq_clips.parquet")
    assert sum("not consecutive" in problem for problem in check_file(tmp_path / "egomcq.json")) == 40
    pq.write_table(BUILT.clips.slice(1), tmp_path / "egomcq_clips.parquet")
    assert any("not among the clips" in problem for problem in check_file(tmp_path / "egomcq.json"))
    pq.write_table(BUILT.clips, tmp_path / "egomcq_clips.parquet")
    pq.write_table(TABLE.slice(0, 2), tmp_path / "egoclip.parquet")  # both of video-00
    (leak,) = check_file(tmp_path / "egomcq.json")
    assert leak == "1 of 8 videos are in egoclip.parquet too, the first is video-00"
    (tmp_path / "egomcq.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        check_file(tmp_path / "egomcq.json")


def _set(path, value):
    def change(questions):
        *way, last = path
        for step in way:
            questions = questions[step]
        questions[last] = value

    return change


def _shift(questions):
    questions["0"]["answer"] = (questions["0"]["answer"] + 1) % 5


def _copy(kind, what):
    def change(questions):
        choices = questions["0" if kind == INTER else "60"]["choices"]
        choices["1"] = {**choices["1"], **{name: choices["0"][name] for name in what}}

    return change


def _skip_one(questions):
    """Replace an end of five consecutive clips by the clip next but one to it."""
    choices = questions["60"]["choices"]
    last = max(choices, key=lambda place: choices[place]["narration_time"])
    choices[last]["narration_ind"] = 10_000


def _always_first(questions):
    for question in list(questions.values())[:60]:
        first, answer = question["choices"]["0"], str(question["answer"])
        question["choices"] |= {"0": question["query"], answer: first}
        question["answer"] = 0


def _other_annotator(questions):
    asked = [item for question in questions.values() for item in question["choices"].values()]
    video = questions["0"]["choices"]["0"]["video_uid"]
    again = next(item for item in asked[5:] if item["video_uid"] == video)
    again["narration_source"] = "narration_pass_3"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_set(["0", "answer"], "2"), "question 0: answer is '2'"),
        (_set(["0", "types"], 3), "question 0: types is 3"),
        (_set(["0", "choices"], {}), "question 0: choices are not"),
        (_set(["0", "query", "tag_verb"], [1]), "question 0: query: tag_verb is [1], not a string"),
        (_set(["0", "choices", "3", "tag_noun"], "x"), "question 0: choice 3: tag_noun is 'x', not a list"),
        (_set(["0", "choices", "3", "clip_start"], None), "question 0: choice 3: clip_start is None"),
        (_set(["0", "choices", "3", "clip_idx"], 1), "question 0: choice 3: has clip_idx"),
        (lambda questions: questions["7"].pop("query"), "question 7: keys are not"),
        (lambda questions: questions["7"]["query"].pop("clip_text"), "question 7: query: lacks clip_text"),
        (lambda questions: questions.pop("5"), "keys are not"),
        (_always_first, "types 1: 60 of 60 answers are choice 0, not about a fifth"),
        (_other_annotator, "1 of 8 videos are asked about by two annotators"),
        (_set(["0", "choices", "3", "clip_end"], 0.0), "question 0: choice 3: clip_start is"),
        (
            _set(["0", "choices", "3", "clip_text"], "#C C eats the soup"),
            "has clip_text '#C C eats the soup', its table",
        ),
        (_shift, "question 0: query is not choice"),
        (_copy(INTER, ["clip_text"]), "question 0: choices 0 and 1 have the same text"),
        (_copy(INTER, ["tag_verb", "tag_noun"]), "question 0: choices 0 and 1 share a verb and a noun"),
        (_copy(INTER, ["video_uid"]), "question 0: inter, but its options are of 4 videos"),
        (_copy(INTRA, ["narration_source", "narration_ind"]), "question 60: choices 0 and 1 have the same clip"),
        (_set(["60", "types"], INTER), "question 60: inter, but its options are of 1 videos"),
        (_set(["0", "types"], INTRA), "question 0: intra, but its options are of several videos"),
        (_skip_one, "question 60: intra, but its options are not consecutive"),
        (lambda questions: questions.update({"1": questions["0"]}), "question 1: has the options of question 0"),
    ],
)
def test_the_check_names_what_is_wrong(change, says):
    questions = copy.deepcopy(json.loads(json.dumps(BUILT.questions)))
    change(questions)
    problems = check_egomcq(questions, SCENES, TABLE, BUILT.clips)
    assert any(says in problem for problem in problems), problems[:3]
    assert all("\n" not in problem for problem in problems)


def test_the_check_knows_scenes():
    one_scene = dict.fromkeys(SCENES, 0)
    assert any("film the same scene" in problem for problem in check_egomcq(BUILT.questions, one_scene))
    as_stored = BUILT.clips.set_column(
        BUILT.clips.column_names.index("scene"), "scene", pa.array([0] * len(BUILT.clips), pa.int64())
    )
    problems = check_egomcq(BUILT.questions, clips=as_stored)
    assert sum("film the same scene" in problem for problem in problems) == len(problems) == 60


def test_no_questions_are_no_sound_questions():
    assert check_egomcq([]) == ["the file holds a list, not an object of questions"]
    assert check_egomcq({}) == ["the file holds no questions"]


@pytest.mark.parametrize(
    ("verbs", "nouns", "alike"),
    [
        (("[1, 2]", "[2, 3]"), ("[4]", "[4, 5]"), True),
        (("[]", "[]"), ("[4]", "[4, 5]"), True),  # no verb is one they share
        (("[1]", "[1]"), ("[]", "[]"), True),
        (("[1]", "[1]"), ("[4]", "[]"), False),
        (("[1]", "[2]"), ("[4]", "[4]"), False),
    ],
)
def test_options_may_share_a_verb_or_a_noun_but_not_both(verbs, nouns, alike):
    questions = copy.deepcopy(json.loads(json.dumps(BUILT.questions)))
    question = questions["0"]
    for place, item in question["choices"].items():
        item |= {"tag_verb": f"[{100 + int(place)}]", "tag_noun": f"[{100 + int(place)}]"}
    for place, verb, noun in zip("14", verbs, nouns, strict=True):
        question["choices"][place] |= {"tag_verb": verb, "tag_noun": noun}
    question["query"] = question["choices"][str(question["answer"])]
    found = [problem for problem in check_egomcq(questions) if "share a verb and a noun" in problem]
    assert [problem.partition(" (")[0] for problem in found] == (
        ["question 0: choices 1 and 4 share a verb and a noun"] if alike else []
    )


def test_what_could_not_be_checked_is_said(tmp_path):
    write_egomcq(BUILT, tmp_path)
    assert not_checked(tmp_path / "egomcq.json") == ["whether a video is trained on: no egoclip.parquet beside it"]
    (tmp_path / "egomcq_clips.parquet").unlink()
    said = " ".join(not_checked(tmp_path / "egomcq.json"))
    for words in ("film one scene", "are consecutive", "are clips of the source", "is trained on"):
        assert words in said
