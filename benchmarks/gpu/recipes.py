"""A recipe at the largest batch that fits: compiled and eager on cached batches, and fed by shards of both profiles."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache, partial
from typing import Literal
from unittest import mock

import torch

from benchmarks.gpu.batch_size import largest_batch
from benchmarks.gpu.configs import SMALL_BATCH, recipe_config, with_batch
from benchmarks.gpu.results import ABSENT, Results
from benchmarks.gpu.setup import Case, Facts, Setup
from benchmarks.gpu.trainer import WARM_STEPS, Trainer
from egocurate.loaders.config import AUTO_WORKERS
from egocurate.loaders.workers.choose_workers import PREFETCHED
from egocurate.loaders.workers.choose_workers import with_workers as choose
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import single_rank

MOST_ANCHORS = 512
"""a batch beyond which nothing gets faster, and the host's memory for what is on its way runs out"""
_FIRST, _MULTIPLE = 8, 8
FEW_FRAMES = 8
"""up to as many `train` is the profile that its bytes speak for, beyond it `fast`"""

Profile = Literal["train", "fast"]


def cases(setup: Setup, results: Results, name: str) -> Mapping[str, Case]:
    """Return the cases of a recipe: the compiled step, what feeds it, the eager step, and what else may feed it.

    All have the batch of the first, which is the largest that fits.
    """
    config, part = recipe_config(setup, name), f"recipe {name}"
    trainer = cache(lambda: _trainer(setup, config, compiled=True))  # compiled once for all cases in this process
    first, second = ("fast", "train") if config.data.frames > FEW_FRAMES else ("train", "fast")

    def known() -> Facts:
        return results.cases(part).get("compiled", {})

    def fed(profile: Profile) -> Facts:
        if "anchors" not in known():
            return {ABSENT: "no compiled step to feed"}
        return measure_fed(setup, trainer(), with_batch(config, setup.shards(profile), known()["anchors"]), known())

    return {
        "compiled": lambda: measure(setup, trainer(), config),
        f"fed by {first}": lambda: fed(first),
        "eager": lambda: measure(setup, _trainer(setup, config, compiled=False), config, known().get("anchors")),
        f"fed by {second}": lambda: fed(second),
    }


def measure(setup: Setup, trainer: Trainer, config: TrainConfig, anchors: int | None = None) -> Facts:
    """Return rates of steps on cached batches of so many anchors, or of as many as fit without compilation."""
    on_gpu = trainer.ranks.device.type == "cuda"
    anchors = anchors or (_largest(trainer) if on_gpu else SMALL_BATCH)
    while True:
        try:
            fitting = with_workers(setup, with_batch(config, setup.shards("train"), anchors))
            rates = trainer.rates(replace(fitting, headspace=True), setup.measure_sec)
            clips = anchors * (2 if config.data.negatives else 1)
            return _rounded({"anchors": anchors, "clips": clips, "bf16": trainer.ranks.bf16} | rates)
        except torch.OutOfMemoryError:
            if anchors <= _FIRST:
                raise
        anchors = max(_FIRST, anchors * 4 // 5 // _MULTIPLE * _MULTIPLE)
        torch.cuda.empty_cache()


def measure_fed(setup: Setup, trainer: Trainer, config: TrainConfig, cached: Facts) -> Facts:
    """Return rates of steps on real shards, and what share of the speed on cached batches they are.

    What workers have made ahead is used up before the clock starts, or there would seem to be no waiting.
    """
    config = with_workers(setup, config)
    warm = WARM_STEPS + PREFETCHED * config.data.workers
    rates = trainer.rates(config, setup.measure_sec, warm)
    kept = {key: rates[key] for key in ("clips_per_sec", "data_wait", "steps", "mfu") if key in rates}
    share = rates["clips_per_sec"] / cached["clips_per_sec"]
    return _rounded({"workers": config.data.workers, **kept, "headspace": share})


def with_workers(setup: Setup, config: TrainConfig) -> TrainConfig:
    """Return a config with as many workers as a run chooses for itself; one at small size."""
    wanted = replace(config.data, workers=1 if setup.small else AUTO_WORKERS)
    return replace(config, data=choose(wanted, config.batch_size))


def _trainer(setup: Setup, config: TrainConfig, *, compiled: bool) -> Trainer:
    with _kernels(setup):
        return Trainer(replace(config, compile=compiled), single_rank(config))


def _largest(trainer: Trainer) -> int:
    """Return the largest batch of a trainer's step as it is without compilation, which takes as much or more."""
    memory = torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved()
    with torch.compiler.set_stance("force_eager"):
        return largest_batch(trainer.peak_bytes, memory, first=_FIRST, most=MOST_ANCHORS, multiple=_MULTIPLE)


def _kernels(setup: Setup) -> AbstractContextManager:
    """Leave the making of kernels out at small size on a CPU, where it takes minutes: graphs are drawn all the same."""
    if setup.small and setup.device == "cpu":
        return mock.patch.object(torch, "compile", partial(torch.compile, backend="eager"))
    return nullcontext()


def _rounded(facts: Facts) -> Facts:
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in facts.items()}
