"""The table of all benchmarks, and the published figures beside."""

from egocurate.commands.evaluation.answers import Answer
from egocurate.commands.evaluation.figure_tables import accuracies, recalls
from egocurate.commands.evaluation.leaderboard import WIDTH, leaderboard, lines_of
from egocurate.commands.evaluation.published import read_published

ANSWERS = [
    Answer("egomcq-dual", {}, {"inter": 41.25, "intra": float("nan")}, [], accuracies),
    Answer("zero-shot/mine", {}, {"top1": 5.0}, [], accuracies),
]


def test_published_figures_name_their_source():
    published = read_published()
    assert all(one.source and 0 < one.value <= 100 for one in published)
    keys = [(one.model, one.task, one.figure) for one in published]
    assert len(set(keys)) == len(keys)
    shown = {one.model: str(one) for one in published if (one.task, one.figure) == ("egomcq-dual", "intra")}
    assert shown["EgoVLP"] == "EgoVLP 57.2 (4 frames)"


def test_the_table():
    lines = lines_of(ANSWERS, read_published())
    table = leaderboard("step 3 of run", lines, {"retrieval": "has no videos"}).splitlines()
    assert table[0] == "all benchmarks, step 3 of run"
    assert table[-1] == "  retrieval: left out: has no videos"
    assert max(map(len, table)) <= WIDTH
    inter = next(line for line in table if "inter" in line)
    assert inter.split()[:4] == ["egomcq-dual", "inter", "41.25", "EgoVLP"]
    assert "90.6" in inter
    assert next(line for line in table if " intra " in line).split()[:2] == ["intra", "-"]
    mine = next(line for line in table if "zero-shot/mine" in line)
    assert mine.split() == ["zero-shot/mine", "top1", "5.00"]


def test_both_directions_of_retrieval():
    names = ("r@1", "r@5", "r@10", "median_rank")
    figures = {f"{side}_{name}": float(i) for side in ("t2v", "v2t") for i, name in enumerate(names)}
    assert [line.split()[0] for line in recalls(figures).splitlines()] == ["R@1", "T->V", "V->T"]
    weighted = {f"dual_softmax_{name}": value for name, value in figures.items()}
    assert len(recalls(figures | weighted).splitlines()) == 5
