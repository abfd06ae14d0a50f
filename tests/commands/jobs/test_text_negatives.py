"""`curate egoclip --text-negatives` and `curate swap-quiz`, by the command line."""

import json

import pyarrow.parquet as pq
import pytest

from egocurate.clip_table import CLIP_SCHEMA
from egocurate.swap_quiz import read_swap_quiz
from egocurate.text_choices import CAPTION_KINDS
from tests.commands.jobs.test_inputs import refused
from tests.commands.jobs.test_tables import FEW


@pytest.fixture(scope="module")
def ray():
    """No Ray: for so few clips none is started."""


def test_clips_keep_texts_that_are_wrong_of_them_and_a_quiz_asks_for_the_right_one(run, tiny_root, tmp_path):
    out, plain = tmp_path / "O", tmp_path / "plain"
    egoclip = ("egoclip", "--root", tiny_root, "--tables-only", "--out")
    asked = (*egoclip, out, "--text-negatives", 4)
    assert run(*asked).status == 0 and run(*egoclip, plain).status == 0
    table = pq.read_table(out / "egoclip.parquet")
    assert table.select(CLIP_SCHEMA.names).equals(pq.read_table(plain / "egoclip.parquet").select(CLIP_SCHEMA.names))
    assert (out / "egoclip.csv").read_bytes() == (plain / "egoclip.csv").read_bytes()
    kinds = [kind for row in table["caption_kinds"].to_pylist() for kind in row]
    assert sum(kind >= len(CAPTION_KINDS) for kind in kinds) > 3 * len(table)
    assert "unchanged" in run(*asked).out
    refused(run(*egoclip, out), "text_negatives was 4, now None")
    refused(run(*asked, "--seed", 1), "seed was 0, now 1")

    refused(run("swap-quiz", out), "egomcq_clips.parquet: not there", "curate egomcq")
    assert run("egomcq", "--root", tiny_root, *FEW, "--tables-only", "--out", out).status == 0
    quiz = ("swap-quiz", out, "--swaps", 5)
    made = run(*quiz, "--json")
    assert made.status == 0 and made.summary["swaps"] == 5
    clips = pq.read_table(out / "egomcq_clips.parquet").to_pylist()
    assert made.summary["questions"] + made.summary["left_out"] == len(clips)
    questions = read_swap_quiz(out / "swap_quiz.json", "raw")
    texts = {row["key"]: row["clip_text"] for row in clips}
    for question in questions.values():
        assert question.text == texts[question.clip.key]
        options = {question.text, *question.verb_swaps, *question.noun_swaps}
        assert len(options) == 11
    written = (out / "swap_quiz.json").read_bytes()
    assert "unchanged" in run(*quiz).out and (out / "swap_quiz.json").read_bytes() == written
    refused(run(*quiz, "--seed", 3), "seed was 0, now 3")
    refused(run("swap-quiz", out, "--swaps", 101), "--swaps")
    assert json.loads(written)["0"]["clip"]["tag_verb"].startswith("[")


def test_more_swaps_than_there_are_words_are_one_line(run, tiny_root, tmp_path):
    assert run("egomcq", "--root", tiny_root, *FEW, "--tables-only", "--out", tmp_path / "O").status == 0
    refused(run("swap-quiz", tmp_path / "O", "--swaps", 100), "none of its", "ask for fewer with --swaps")
