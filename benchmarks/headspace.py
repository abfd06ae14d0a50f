"""What a trainer could do were data free: `python -m benchmarks.headspace --shards FOLDER [--recipe egovlp]`.

The same training steps (forward, loss, backward, AdamW) fed by the stream and by a few of its batches over and over.
Texts are random tokens: only what a step costs is measured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.record import figure, write_record
from loaders import Batch, StreamConfig, stream
from loaders.device import normalise, prefetch
from loaders.headspace import Headspace
from models.egovlp import EgoVLP
from models.losses import info_nce
from models.optimiser import adamw
from training.config import RECIPES, TrainConfig

TOKENS = 16


def measure(shards: Path, config: TrainConfig, steps: int = 20) -> list[dict[str, object]]:
    """Return clips/s of the recipe's training steps under the stream and under cached batches, and their ratio."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = EgoVLP(config.model).to(device).train()
    shown = StreamConfig(
        frames=config.frames,
        size=config.model.video.image,
        negatives=config.negatives,
        scale=config.scale,
        flip=config.flip,
        decoder=config.decoder,
        workers=config.workers,
    )
    rates = {}
    for name in ("stream", "headspace"):
        data = stream(shards, batch_size=config.batch_size, config=shown)
        batches = data.epoch(0) if name == "stream" else Headspace(data.epoch(0))
        rates[name] = _rate(model, config, prefetch(batches, device), min(steps, len(batches) - 1))
        data.close()
    return [
        figure("training fed by the stream", rates["stream"], "clips/s"),
        figure("training fed by cached batches", rates["headspace"], "clips/s"),
        figure("the stream's share of what the trainer could do", rates["stream"] / rates["headspace"], "", ">= 0.97"),
    ]


def _rate(model: EgoVLP, config: TrainConfig, batches: Iterator[Batch], steps: int) -> float:
    """Return clips per second of steps after the first."""
    optimiser, clips, began = adamw(model, config.optimiser), 0, 0.0
    for batch in batches:
        device = batch.frames.device
        ids = torch.randint(5, 100, (len(batch), TOKENS), device=device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            text, video = model(ids, torch.ones_like(ids), normalise(batch.frames))
        loss = info_nce(text.float(), video.float(), batch.valid, temperature=config.temperature)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
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
    parser.add_argument("--recipe", choices=RECIPES, default="egovlp-small")
    parser.add_argument("--batch-size", type=int, default=None, help="anchors of a batch instead of the recipe's")
    arguments = parser.parse_args()
    config = RECIPES[arguments.recipe]()
    config = replace(config, batch_size=arguments.batch_size or config.batch_size)
    write_record("headspace", measure(arguments.shards, config))


if __name__ == "__main__":
    main()
