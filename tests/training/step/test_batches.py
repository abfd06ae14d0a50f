"""How many workers a run takes where its recipe leaves that open."""

from dataclasses import replace
from unittest import mock

import pytest

from egocurate.loaders.workers.choose_workers import Machine
from egocurate.training.config.recipes import RECIPES
from egocurate.training.step.batches import with_workers_chosen

MACHINE = Machine(16, 2**38)


@pytest.mark.parametrize(("gpu", "workers"), [(True, 15), (False, 4)])
def test_base_recipes_take_the_cores_that_the_model_leaves(gpu, workers):
    with (
        mock.patch("egocurate.training.step.batches.this_rank", return_value=MACHINE),
        mock.patch("torch.cuda.is_available", return_value=gpu),
    ):
        for name in ("egovlp", "egovlpv2", "videomae"):
            with mock.patch.dict("os.environ", {"WORLD_SIZE": "8"}):
                config, (line,) = with_workers_chosen(RECIPES[name]())
            assert config.data.workers == workers
            assert line.startswith(f"data.workers={workers} for a rank's 16 cores")


def test_a_number_that_was_given_stays_and_nothing_is_said():
    config = replace(RECIPES["egovlp"](), data=replace(RECIPES["egovlp"]().data, workers=3))
    assert with_workers_chosen(config) == (config, [])
