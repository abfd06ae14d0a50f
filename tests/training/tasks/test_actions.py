"""Actions as pairs of verbs and nouns: their scores, their figures, and runs on EPIC-KITCHENS-100's files."""

from dataclasses import replace

import numpy as np
import pytest

from egocurate.commands.curate import main
from egocurate.curation.synthetic import LabeledRootConfig
from egocurate.curation.synthetic.labeled import write_epic
from egocurate.models.layers.configs import VideoConfig
from egocurate.models.metrics.classes import class_accuracies
from egocurate.training.config.recipes import RECIPES
from egocurate.training.tasks.classification import with_actions
from tests.training.runs import run

NAMES = {"verb": ["take", "put", "cut"], "noun": ["cup", "pan"], "action": ["0,1", "1,0", "2,1"]}
FIGURES = ("top1", "top5", "mean_class", "recall5")


def test_an_action_is_as_likely_as_its_verb_and_noun_together():
    rng = np.random.default_rng(0)
    scores = {"verb": rng.dirichlet(np.ones(3), 5), "noun": rng.dirichlet(np.ones(2), 5)}
    labels = {
        "verb": np.array([0, 1, 2, 0, -1]),
        "noun": np.array([1, 0, 1, 0, 0]),
        "action": np.array([0, 1, 2, -1, -1]),  # the fourth is a pair that training has not, the last is not known
    }
    scored, known = with_actions(scores, labels, NAMES)
    for row in range(5):
        for action, name in enumerate(NAMES["action"]):
            verb, noun = map(int, name.split(","))
            assert scored["action"][row, action] == scores["verb"][row, verb] * scores["noun"][row, noun]
    assert known["action"].tolist() == [0, 1, 2, 3, -1]
    right = [scored["action"][row].argmax() == row for row in range(3)]
    assert class_accuracies(scored["action"], known["action"])["top1"] == pytest.approx(100 * sum(right) / 4)


def test_actions_that_are_learned_or_called_otherwise_stay():
    scores = {"verb": np.ones((1, 3)), "noun": np.ones((1, 2))}
    labels = {kind: np.zeros(1, np.int64) for kind in NAMES}
    for names in ({**NAMES, "action": ["take cup"]}, {**NAMES, "action": ["7,0"]}, {}):
        assert with_actions(scores, labels, names)[0].keys() == scores.keys()
    assert "action" not in with_actions({"verb": scores["verb"]}, labels, NAMES)[0]
    learned = np.full((1, 3), 0.5)
    labels["action"][0] = -1  # a pair that training has not is wrong of these, too
    scored, known = with_actions({**scores, "action": learned}, labels, NAMES)
    assert scored["action"] is learned
    assert class_accuracies(learned, known["action"])["top1"] == 0


@pytest.fixture(scope="module")
def epic(tmp_path_factory):
    """Shards of EPIC's segments, and of what is before them, of train and validation."""
    folder = tmp_path_factory.mktemp("epic")
    write_epic(folder, LabeledRootConfig(long_train=2, long_test=1, video_sec=16.0, side=48, fps=10))
    for shards, more in (("segments", []), ("ahead", ["--before", "1", "--seconds", "2"])):
        for split, names in (("train", []), ("validation", ["--label-names", folder / shards / "train"])):
            csv, out = folder / f"epic/EPIC_100_{split}.csv", folder / shards / split
            with pytest.raises(SystemExit) as left:
                main([*map(str, ["segments", "--csv", csv, *names, *more, "--out", out, "--profile", "fast"])])
            assert not left.value.code
    return folder


@pytest.mark.parametrize(
    ("recipe", "shards"), [("egovlp-epic-actions-tiny", "segments"), ("egovlp-anticipation-tiny", "ahead")]
)
def test_verbs_nouns_and_actions_have_figures(epic, tmp_path, recipe, shards):
    recipe = RECIPES[recipe]()
    sizes = VideoConfig(image=32, patch=16, width=16, depth=1, heads=2)
    config = replace(
        recipe,
        model=replace(recipe.model, backbone=sizes, frozen=False),  # a probe asks for a start
        data=replace(recipe.data, size=32, frames=2, workers=0),
        shards=(str(epic / shards / "train"),),
        test_shards=str(epic / shards / "validation"),
        out=str(tmp_path / "run"),
        batch_size=2,
        max_steps=2,
        device="cpu",
    )
    result = run(config)
    assert set(result.after) == {f"{kind}_{figure}" for kind in ("verb", "noun", "action") for figure in FIGURES}
    assert all(0 <= value <= 100 for value in result.after.values())
