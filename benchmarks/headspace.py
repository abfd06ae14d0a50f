"""What a trainer could do were data free: `python -m benchmarks.headspace --shards FOLDER [--recipe egovlp]`.

The same training steps (forward, loss, backward, optimizer) fed by the stream and by a few of its batches over and
over.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.record import figure, write_record
from egocurate.loaders.batch import Batch
from egocurate.loaders.device import prefetch
from egocurate.loaders.headspace import Headspace
from egocurate.training.config.optimizer import build_optimizer
from egocurate.training.config.recipes import RECIPES
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import open_ranks
from egocurate.training.step.batches import open_stream
from egocurate.training.systems import System, build_system
from egocurate.training.systems.step_rng import StepRng


def measure(shards: Path, config: TrainConfig, steps: int = 20) -> list[dict[str, object]]:
    """Return clips/s of the recipe's training steps under the stream and under cached batches, and their ratio."""
    config, rates = replace(config, shards=(str(shards),)), {}
    with open_ranks(config) as ranks:
        for name in ("stream", "headspace"):
            data = open_stream(config, ranks)
            system = build_system(config, data, ranks)
            batches = data.epoch(0) if name == "stream" else Headspace(data.epoch(0))
            rates[name] = _rate(system, config, prefetch(batches, ranks.device), min(steps, len(batches) - 1))
            data.close()
        on_gpu = ranks.device.type == "cuda"
    share = rates["stream"] / rates["headspace"]
    return [
        figure("training fed by the stream", rates["stream"], "clips/s"),
        figure("training fed by cached batches", rates["headspace"], "clips/s"),
        # On a CPU the workers take the trainer's own cores, so there is no bar.
        figure("the stream's share of what the trainer could do", share, "", ">= 0.97" if on_gpu else None),
    ]


def _rate(system: System, config: TrainConfig, batches: Iterator[Batch], steps: int) -> float:
    """Return clips per second of steps after the first."""
    optimizer, clips, began = (
        build_optimizer(system.model, config.optimizer, system.new_parameters, system.layers_above),
        0,
        0.0,
    )
    step_rng = StepRng(config.data.seed, 0, config.batch_size)
    for batch in batches:
        device = batch.frames.device
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = system.losses(system.model, batch, step_rng)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()  # waits for the device
        if began:
            clips += len(batch)
        began = began or time.perf_counter()
        if clips >= steps * len(batch):
            break
    return clips / (time.perf_counter() - began)


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shards", type=Path, required=True, help="folder of tar shards")
    parser.add_argument("--recipe", choices=RECIPES, default="egovlp-tiny")
    parser.add_argument("--batch-size", type=int, default=None, help="anchors of a batch instead of the recipe's")
    arguments = parser.parse_args()
    config = RECIPES[arguments.recipe]()
    config = replace(config, batch_size=arguments.batch_size or config.batch_size)
    write_record("headspace", measure(arguments.shards, config))


if __name__ == "__main__":
    main()
