"""Steps, evaluations and features of every base recipe at its own size, on a GPU that is not there."""

import pytest
import torch

from tests.training.plan import fake_runs

RECIPES = {
    "egovlp": {"loss"},
    "egovlpv2": {"loss", "egonce", "mlm", "vtm"},
    "videomae": {"loss"},
    "videoprism-stage1": {"loss"},
    "videoprism-stage2": {"loss", "tokens", "clip"},
    "videoprism-lit": {"loss"},
}
# Where a step makes the host wait for the GPU: only among ranks, to know how many rows go to whom.
WAITS_AMONG_RANKS = {"egovlpv2-tiny": {"models/all_gather.py:find_routes"}}


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", ["egovlp", *(pytest.param(name, marks=pytest.mark.slow) for name in RECIPES if name != "egovlp")]
)
def test_a_step_stays_on_the_gpu(apart, recipe):
    found = apart(fake_runs.learn, recipe, 4)
    assert found["losses"] == dict.fromkeys(RECIPES[recipe], ("fakegpu", torch.float32, 0))
    assert found["gradients"].keys() == {("fakegpu", torch.float32)}
    assert found["without"] == []
    assert bool(found["frozen"]) == (recipe == "videoprism-lit")
    assert found["syncs"] == set()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["egovlp-tiny", "egovlpv2-tiny", "videoprism-stage1-tiny"])
def test_a_step_among_512_ranks(apart, recipe):
    """The rows of all are there as shapes: losses of 8 rows against 4,096."""
    found = apart(fake_runs.learn_among, 512, recipe, 4)
    assert found["losses"] == dict.fromkeys(RECIPES[recipe.removesuffix("-tiny")], ("fakegpu", torch.float32, 0))
    assert found["without"] == []
    assert {sync.where for sync in found["syncs"]} == WAITS_AMONG_RANKS.get(recipe, set())


@pytest.mark.parametrize(
    "recipe", ["egovlp-tiny", "videomae-tiny", pytest.param("egovlpv2-tiny", marks=pytest.mark.slow)]
)
def test_an_optimizer_does_not_wait(apart, recipe):
    assert apart(fake_runs.learn, recipe, 4)["optimizer"] == set()


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param("egovlp-tiny", marks=pytest.mark.slow),
        "videomae-tiny",
        pytest.param("videoprism-stage1-tiny", marks=pytest.mark.slow),
        pytest.param("videoprism-stage2-tiny", marks=pytest.mark.slow),
    ],
)
def test_micro_batches_give_every_parameter_its_gradient(apart, recipe):
    found = apart(fake_runs.learn, recipe, 8, "micro_batches=4", "activation_checkpointing=true")
    assert found["losses"].keys() == RECIPES[recipe.removesuffix("-tiny")]
    assert found["without"] == [] and found["gradients"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_evaluations_and_features(apart, recipe):
    found = apart(fake_runs.embed, recipe, 6)
    features = found.pop("features")
    assert (features[0], features[2]) == ("fakegpu", (6, 768 if recipe != "egovlp" else 256))
    space = {"egovlp": 256, "egovlpv2": 4096, "videoprism-stage1": 768, "videoprism-lit": 768}.get(recipe)
    expected = {} if space is None else dict.fromkeys(("texts", "clips"), ("fakegpu", torch.float32, (6, space)))
    if recipe == "egovlpv2":
        expected["match"] = ("fakegpu", torch.float32, (2, 5))
    assert found == expected
