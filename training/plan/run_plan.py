"""A plan of a run: what it takes of GPUs, cores, days and disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from egocurate.training.config.train_config import TrainConfig
from egocurate.training.monitor.gpu_specs import Gpu
from egocurate.training.plan.feed import Feed, feeds
from egocurate.training.plan.fit import Fit

EGOCLIP_CLIPS = 3_847_723  # 2206.01670, section 3
MFU = (0.30, 0.40)  # what such models reach on GPUs


class Hardware(NamedTuple):
    """So many of a GPU, and the cores that there are for each of them (None: as many as it takes)."""

    gpus: int
    gpu: Gpu
    cores: int | None = None


@dataclass(frozen=True)
class RunPlan:
    """What a run takes; pairs are of the low and the high MFU."""

    fit: Fit
    clips_per_sec: tuple[float, float]
    """of a GPU, hard negatives included"""
    steps: int
    epochs: float
    days: tuple[float, float]
    """from the high MFU's to the low one's"""
    feeds: list[Feed]
    clips: int


def plan_run(
    config: TrainConfig, hardware: Hardware, fit: Fit, mfu: tuple[float, float] = MFU, clips: int = EGOCLIP_CLIPS
) -> RunPlan:
    """Return the plan of a config on so many clips; pure arithmetic on what `plan.measure.fit_on` has found."""
    low, high = (share * hardware.gpu.flops / (fit.flops_per_clip * fit.work) for share in mfu)
    steps = config.epochs * (clips // config.batch_size)
    steps = min(steps, config.max_steps) if config.max_steps else steps
    rows = steps * config.batch_size * (2 if config.data.negatives else 1)
    days = tuple(rows / (rate * hardware.gpus) / 86400 for rate in (high, low))
    shown = (config.data.frames, config.data.size)
    return RunPlan(
        fit,
        (low, high),
        steps,
        steps * config.batch_size / clips,
        days,
        list(feeds(*shown, (low, high), hardware.cores)),
        clips,
    )
