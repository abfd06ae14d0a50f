"""What makes a batch fit: the way of least work, by steps of known sizes."""

from dataclasses import replace

import pytest

from egocurate.errors import InputError
from egocurate.training.config.recipes import RECIPES
from egocurate.training.plan.fit import Fit, StepMeasure, find_fit, step_bytes

CONFIG = replace(RECIPES["egovlp"](), batch_size=96)
FIXED, SAVED = 100, 4  # bytes of weights and the like; what checkpointing divides activations by


def measure(config, anchors):
    """Ten bytes an anchor, a quarter of them with checkpointing."""
    assert config.micro_batches == 1
    activations = 10 * anchors // (SAVED if config.activation_checkpointing else 1)
    return StepMeasure(7.0, weights=20, optimizer=40, gradients=40, batch=anchors, activations=activations)


def brute_force(config, gpus, available, splits_by):
    """Every way there is, in order of (work, micro-batches), the first that fits."""
    anchors, ways = config.batch_size // gpus, []
    for checkpointing in {config.activation_checkpointing, True}:
        for count in range(config.micro_batches, anchors + 1):
            if anchors % count or (splits_by == "whole" and count > config.micro_batches):
                continue
            step = measure(replace(config, micro_batches=1, activation_checkpointing=checkpointing), anchors // count)
            taken = step_bytes(step, count, gpus, config.parallel)
            work = 1 + (checkpointing + (count > 1 and splits_by == "embeddings")) / 3
            ways.append((round(work, 3), count, checkpointing, taken))
    ways.sort()
    return next((way for way in ways if way[3] <= available), None)


@pytest.mark.parametrize("splits_by", ["rows", "embeddings", "whole"])
@pytest.mark.parametrize("gpus", [1, 4, 48])
@pytest.mark.parametrize("asked", [(1, False), (4, False), (1, True)])
def test_the_way_is_the_one_of_least_work(splits_by, gpus, asked):
    count, checkpointing = asked
    if (splits_by == "whole" and count > 1) or (CONFIG.batch_size // gpus) % count:
        return
    config = replace(CONFIG, micro_batches=count, activation_checkpointing=checkpointing)
    for available in (100, 130, 150, 200, 300, 350, 400, 500, 800, 1100, 1300, 2000):
        expected = brute_force(config, gpus, available, splits_by)
        found = find_fit(config, gpus, available, splits_by, measure)
        assert found.fits == (expected is not None)
        if expected is not None:
            assert (round(found.work, 3), found.micro_batches, found.activation_checkpointing) == expected[:3]
            assert found.bytes == expected[3]


def test_what_does_not_fit_is_told_with_the_least_that_it_takes():
    found = find_fit(CONFIG, 1, 10, "rows", measure)
    assert found == Fit(False, 96, True, 100 + 2 * 96 + 2, pytest.approx(4 / 3), 7.0)


def test_what_ranks_send_and_share_counts():
    step = StepMeasure(1.0, weights=60, optimizer=120, gradients=60, batch=5, activations=100)
    assert step_bytes(step, 1, 1, "ddp") == step_bytes(step, 1, 1, "fsdp") == 240 + 10 + 100
    assert step_bytes(step, 2, 8, "ddp") == 300 + 20 + 100
    assert step_bytes(step, 2, 8, "fsdp") == 30 + 10 + 20 + 100


@pytest.mark.parametrize(
    ("changes", "gpus", "told"),
    [
        ({}, 7, "--gpus 7: cannot share batch_size=96 equally; take 6"),
        ({}, 97, "--gpus 97: cannot share batch_size=96 equally; take 96"),
        ({"micro_batches": 7}, 4, "micro_batches=7 does not divide the 24 anchors of a GPU"),
        ({"micro_batches": 25}, 4, "micro_batches=25 does not divide the 24 anchors of a GPU"),
    ],
)
def test_what_cannot_be_shared_is_said_in_a_line(changes, gpus, told):
    with pytest.raises(InputError) as said:
        find_fit(replace(CONFIG, **changes), gpus, 1e9, "rows", measure)
    assert str(said.value) == told
