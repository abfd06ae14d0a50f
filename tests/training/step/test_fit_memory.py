"""What a step keeps, by hand and of a real system; how a batch is split by that; and that a CPU changes nothing."""

from dataclasses import replace
from functools import partial
from unittest import mock

import pytest
import torch
from torch import nn

from egocurate.train import train
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.step.batches import open_stream
from egocurate.training.step.fit_memory import (
    StepMemory,
    fitted,
    kept_tensors,
    measure,
    split_for,
)
from egocurate.training.step.least_work import least_work
from egocurate.training.systems import build_system
from tests.training.runs import rows

ALONE = Ranks(0, 1, torch.device("cpu"), False)
MEMORY = StepMemory(fixed=100, anchor=10, lean_anchor=2, layer=1)  # times 1.2 for an anchor


def chosen(available, splits_by, **asked):
    config = replace(RECIPES["egovlp-tiny"](), **asked)
    found = least_work(config, 12, available, splits_by, lambda count, again: MEMORY.of(12 // count, again))
    return found.micro_batches, found.recompute, found.fits


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        (100 + 12 * 12, (1, False, True)),
        (100 + 12 * 12 - 1, (1, True, True)),  # one forward pass more, as in parts, but in one go
        (100 + 12 * 3.6, (1, True, True)),
        (100 + 12 * 3.6 - 1, (4, False, True)),
        (100 + 12, (12, False, True)),
        (100 + 12 - 1, (4, True, True)),  # one anchor is too large: three at once if layers are worked out again
        (100 + 3.6, (12, True, True)),
        (100 + 3.5, (12, True, False)),
    ],
)
def test_twelve_anchors_split_by_what_there_is(available, expected):
    assert chosen(available, "embeddings") == expected


def test_parts_of_rows_cost_nothing_and_come_first():
    assert chosen(100 + 12 * 12 - 1, "rows") == (2, False, True)
    assert chosen(100 + 12, "rows") == (12, False, True)
    assert chosen(100 + 12 - 1, "rows") == (4, True, True)


def test_what_was_asked_for_stays_and_what_cannot_be_split_is_worked_out_again():
    assert chosen(10**6, "rows", activation_checkpointing=True) == (1, True, True)
    assert chosen(10**6, "rows", micro_batches=3) == (3, False, True)
    assert chosen(240, "whole") == (1, True, True)
    assert chosen(110, "whole") == (1, True, False)


def test_what_is_kept_is_counted_once_and_without_parameters():
    model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4))
    x = torch.randn(5, 8)
    with kept_tensors(model) as kept:
        model(x).sum() + model[0](x).sum()
    assert sorted(kept.values()) == [5 * 8 * 4, 5 * 16 * 4, 5 * 16 * 4]  # x once, then what GELU reads and gives


def system_of(config):
    return build_system(config, open_stream(config, ALONE), ALONE)


def test_a_system_keeps_less_with_checkpointing_and_more_with_frames(tiny):
    deep = replace(tiny, model=replace(tiny.model, video=replace(tiny.model.video, depth=4)))
    system = system_of(deep)
    four = measure(deep, system, ALONE, (3, 4))
    size = sum(p.nbytes for p in system.model.parameters())
    assert four.fixed == 3 * size  # gradients and AdamW's two
    assert four.anchor > 2 * four.lean_anchor > 0
    two = measure(replace(deep, data=replace(deep.data, frames=2)), system, ALONE, (3, 4))
    assert 0.5 < two.anchor / four.anchor < 0.8
    assert all("forward" not in vars(module) for module in system.model.modules())


def test_a_small_gpu_gets_parts_and_a_line_and_a_large_one_neither(tiny):
    system = system_of(tiny)
    memory = measure(tiny, system, ALONE, (3, 4))
    large, silence = split_for(tiny, system, ALONE, (3, 4), memory.of(4, False))
    assert (large.micro_batches, large.activation_checkpointing, silence) == (1, False, "")
    small, line = split_for(tiny, system, ALONE, (3, 4), memory.of(4, False) - 1)
    assert (small.micro_batches, small.activation_checkpointing) == (1, True)
    assert (
        line.endswith("free: micro_batches=1 and activation_checkpointing")
        and "a step on 4 anchors at once" in line
        and "\n" not in line
    )
    none, warning = split_for(tiny, system, ALONE, (3, 4), memory.fixed)
    assert (none.micro_batches, none.activation_checkpointing) == (4, True)
    assert "micro_batches=4 and activation_checkpointing, and even that may not fit" in warning


def test_a_cpu_and_a_number_that_was_given_change_nothing(tiny):
    assert tiny.micro_batches == 0
    assert fitted(tiny, None, ALONE, (3, 4)) == (replace(tiny, micro_batches=1), "")
    given = replace(tiny, micro_batches=2)
    assert fitted(given, None, replace(ALONE, device=torch.device("cuda")), (3, 4)) == (given, "")


def test_a_run_learns_the_same_in_the_parts_that_fit_and_says_so(tiny, tmp_path):
    """As on a GPU without memory."""
    said, tiny = {"whole": [], "parts": []}, replace(tiny, max_steps=2, mcq_json="")
    for name, fit in (("whole", fitted), ("parts", partial(split_for, available=0))):
        with mock.patch("egocurate.training.run.training_run.fitted", fit):
            train(replace(tiny, out=str(tmp_path / name)), say=said[name].append)
    whole, parts = ([loss for (loss,) in rows(tmp_path / name, "loss")] for name in said)
    assert parts == pytest.approx(whole, rel=1e-4)
    assert [any("micro_batches=4 and activation_checkpointing" in one for one in lines) for lines in said.values()] == [
        False,
        True,
    ]
