"""What all peers share: the batch that a trainer gets, and how a clip's bytes become its frames."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from benchmarks.peers.data import Data
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.crops import crop_and_resize, random_view
from egocurate.loaders.decode_clip import decode_clip
from egocurate.loaders.frame_sampling import frame_sampler

BATCH, SEED = 32, 0
SHOWN = StreamConfig(negatives=False, seed=SEED)

Shown = tuple[str, torch.Tensor]
"""(key of the clip, uint8 [T, 3, S, S])"""
Batch = tuple[list[str], torch.Tensor]
"""(keys of the clips, uint8 [N, T, 3, S, S])"""


class Loader(Protocol):
    """A peer at work; `state` and `load` are there only where the peer offers them."""

    def epoch(self) -> Iterator[Batch]:
        """Yield the batches of an epoch, or of the rest of one after `load`; without end where a peer has no epochs."""
        ...


class Stateful:
    """A peer's own DataLoader with `state_dict` and `load_state_dict`."""

    def __init__(self, loader: Any) -> None:  # noqa: ANN401 (each peer has its own kind)
        """Take the loader."""
        self._loader = loader

    def epoch(self) -> Iterator[Batch]:
        """Yield an epoch, or the rest of it."""
        yield from self._loader

    def state(self) -> dict:
        """Return the loader's state."""
        return self._loader.state_dict()

    def load(self, state: dict) -> None:
        """Go on from a state."""
        self._loader.load_state_dict(state)


class Peer(Protocol):
    """A module of this package."""

    PACKAGE: str

    def build(self, data: Data) -> None:
        """Write what the peer reads."""
        ...

    def open(self, data: Data, workers: int) -> Loader:
        """Return a loader that has not started yet."""
        ...


def draw() -> np.random.Generator:
    """Return a generator seeded by Python's own: loaders seed that in each worker, some restore it when they resume."""
    return np.random.default_rng(random.getrandbits(64))


def shown(key: str, mp4: bytes, about: bytes) -> Shown:
    """Return a clip of the `train` profile as a trainer sees it; `about` is its json member."""
    rng = draw()
    indices = frame_sampler(SHOWN.pick)(json.loads(about)["frame_count"], SHOWN.frames, rng)
    return cropped(key, decode_clip(mp4, indices, SHOWN.decoder), rng)


def cropped(key: str, frames: torch.Tensor, rng: np.random.Generator) -> Shown:
    """Return decoded frames uint8 [T, 3, H, W] cropped and resized."""
    view = random_view(rng, *frames.shape[-2:], scale=SHOWN.scale, flip=SHOWN.flip)
    return key, crop_and_resize(frames, view, SHOWN.size)


def stacked(clips: Sequence[Shown]) -> Batch:
    """Return clips as a batch."""
    return [key for key, _ in clips], torch.stack([frames for _, frames in clips])


def loading(workers: int) -> dict[str, Any]:
    """Return what every DataLoader is told."""
    return {
        "batch_size": BATCH,
        "num_workers": workers,
        "collate_fn": stacked,
        "drop_last": True,
        "persistent_workers": workers > 0,
    }


def state_of(loader: Loader) -> Any:  # noqa: ANN401 (each peer has its own kind of state)
    """Return a loader's state, or None if the peer offers none."""
    return loader.state() if hasattr(loader, "state") else None
