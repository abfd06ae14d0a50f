"""EgoVLP's step by each kernel of PyTorch's attention, divided and joint; VideoPrism's with its cap and without."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from unittest import mock

from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.gpu.configs import SMALL_BATCH, recipe_config, with_batch
from benchmarks.gpu.results import ABSENT, Results, one_line
from benchmarks.gpu.setup import Case, Facts, Setup
from benchmarks.gpu.trainer import Trainer
from egocurate.models.layers import transformer
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import single_rank

_ANCHORS = 32
_NO_KERNEL = re.compile("No available kernel|No viable backend")
_ALL = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH]
BACKENDS = {"as PyTorch chooses": _ALL, "flash": _ALL[:1], "efficient": _ALL[1:2], "cudnn": _ALL[2:3], "math": _ALL[3:]}


def cases(setup: Setup, results: Results) -> Mapping[str, Case]:
    """Return a case for each form of attention and kernel."""
    egovlp = recipe_config(setup, "egovlp")
    found: dict[str, Case] = {}
    for form in ("divided", "joint"):
        config = replace(egovlp, model=replace(egovlp.model, video=replace(egovlp.model.video, attention=form)))
        for kernel in BACKENDS:
            found[f"{form}, {kernel}"] = lambda config=config, kernel=kernel: measure(setup, config, kernel)
    prism = recipe_config(setup, "videoprism-stage1")
    for name, cap in (("VideoPrism, capped", prism.model.encoder.cap), ("VideoPrism, no cap", 0.0)):
        encoder, text = replace(prism.model.encoder, cap=cap), replace(prism.model.text, cap=cap)
        config = replace(prism, model=replace(prism.model, encoder=encoder, text=text))
        found[name] = lambda config=config: measure(setup, config, "as PyTorch chooses")
    found["VideoPrism, capped, logits worked out again"] = lambda: _without_flex(setup, prism)
    return found


def _without_flex(setup: Setup, config: TrainConfig) -> Facts:
    with mock.patch.object(transformer, "has_flex_kernel", lambda q, mask: False):
        return measure(setup, config, "as PyTorch chooses")


def measure(setup: Setup, config: TrainConfig, kernel: str) -> Facts:
    """Return rates of an eager step on 32 anchors with one of `BACKENDS`, or that it has no kernel for that."""
    anchors = SMALL_BATCH if setup.small else _ANCHORS
    config = replace(with_batch(config, setup.shards("train"), anchors), headspace=True)
    config = replace(config, data=replace(config.data, workers=1))
    try:
        with sdpa_kernel(BACKENDS[kernel]):
            rates = Trainer(config, single_rank(config)).rates(config, setup.measure_sec / 2)
    except RuntimeError as error:
        if _NO_KERNEL.search(str(error)):
            return {ABSENT: one_line(error)}
        raise
    kept = ("clips_per_sec", "mfu", "peak_gib", "tflop_per_step")
    return {"anchors": anchors} | {key: round(rates[key], 4) for key in kept if key in rates}
