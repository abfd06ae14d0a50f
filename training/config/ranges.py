"""The numbers that settings may have: one table, looked at whenever a config is made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any, NamedTuple

from egocurate.errors import InputError


class Range(NamedTuple):
    """Numbers from `least` to `most`; with `open_ends` neither of the two."""

    least: float
    most: float = math.inf
    open_ends: bool = False

    def holds(self, value: float) -> bool:
        """Tell whether a number is in the range; NaN is in none."""
        return (
            self.least < value < self.most if self.open_ends else self.least <= value <= self.most and value < math.inf
        )

    def __str__(self) -> str:
        """Say what a number must be."""
        if self.most == math.inf:
            return f"more than {self.least:g}" if self.open_ends else f"{self.least:g} or more"
        return f"between {self.least:g} and {self.most:g}" if self.open_ends else f"{self.least:g} to {self.most:g}"


POSITIVE, COUNT, ANY_COUNT, SHARE = Range(0, open_ends=True), Range(1), Range(0), Range(0, 1, open_ends=True)
RANGES: dict[str, Range] = {
    **dict.fromkeys(("batch_size", "epochs", "max_tokens"), COUNT),
    **dict.fromkeys(("eval_every", "checkpoint_every", "keep_checkpoints", "log_every"), COUNT),
    **dict.fromkeys(
        ("max_steps", "eval_batch", "micro_batches", "optimizer.warmup_steps", "optimizer.warmup_epochs"), ANY_COUNT
    ),
    **dict.fromkeys(("optimizer.lr", "optimizer.eps", "objective.temperature"), POSITIVE),
    **dict.fromkeys(
        ("optimizer.new_lr", "optimizer.final_lr", "optimizer.weight_decay", "optimizer.clip_grad"), ANY_COUNT
    ),
    **dict.fromkeys(("optimizer.beta1", "optimizer.beta2"), Range(0, 0.999999)),
    **dict.fromkeys(("objective.egonce", "objective.mlm", "objective.vtm"), ANY_COUNT),
    "objective.uniform_steps": ANY_COUNT,
    **dict.fromkeys(("objective.smoothing", "objective.erasing"), Range(0, 1)),
    **dict.fromkeys(("objective.rand_augment", "objective.mixup", "objective.cutmix"), ANY_COUNT),
    "objective.magnitude": Range(0, 10),
    "objective.repeats": COUNT,
    "optimizer.layer_decay": Range(0, 1),
    "objective.margin": POSITIVE,
    "objective.above": Range(0, 1),
    **dict.fromkeys(("objective.test_segments", "objective.test_crops"), COUNT),
    **dict.fromkeys(("objective.drop", "objective.dropout"), Range(0, 1)),
    "objective.mask": SHARE,
}
"""Range by key, as `--set` spells it; a key that a config lacks is of another system."""
MODEL_RANGES: dict[str, Range] = {
    **dict.fromkeys(("image", "patch", "frames", "max_frames", "tubelet", "vocab", "max_tokens", "projection"), COUNT),
    **dict.fromkeys(("width", "depth", "heads", "head_channels", "hidden", "time_depth"), COUNT),
    **dict.fromkeys(("decoder_width", "decoder_depth", "decoder_heads"), COUNT),
    **dict.fromkeys(("auxiliary_depth", "fused_layers", "cap"), ANY_COUNT),
    **dict.fromkeys(("dropout", "mask_ratio", "gate"), Range(0, 1)),
    "drop_path": Range(0, 0.999999),
    **dict.fromkeys(("eps", "head_scale"), POSITIVE),
}
"""Range of a model's sizes by the last part of the key: the same in whatever tower."""


def check_ranges(config: Any) -> None:  # noqa: ANN401 (any dataclass)
    """Raise InputError for a setting that is out of its range."""
    for key, allowed in RANGES.items():
        try:
            value = attrgetter(key)(config)
        except AttributeError:
            continue
        _check(key, value, allowed)
    for key, value in _numbers(config.model, "model"):
        _check(key, value, MODEL_RANGES[key.rpartition(".")[2]])
    if config.weights and not all(POSITIVE.holds(weight) for weight in config.weights):
        raise InputError(f"weights={','.join(map(str, config.weights))}: each must be {POSITIVE}")


def _check(key: str, value: float, allowed: Range) -> None:
    if not allowed.holds(value):
        raise InputError(f"{key}={value:g}: must be {allowed}")


def _numbers(config: Any, prefix: str) -> Iterator[tuple[str, float]]:  # noqa: ANN401 (any dataclass)
    """Yield the key and the value of every number of a config and of those in it."""
    for field in fields(config):
        key, value = f"{prefix}.{field.name}", getattr(config, field.name)
        if is_dataclass(value):
            yield from _numbers(value, key)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield key, value
