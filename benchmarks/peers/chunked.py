"""Chunks of whole videos, as the loaders of EgoVLP and AVION read them: a map-style dataset under PyTorch's loader."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.peers.common import BATCH, SEED, SHOWN, Batch, Shown, cropped, draw, stacked
from benchmarks.peers.data import VIDEO, Data
from egocurate.loaders.frame_sampling import frame_sampler
from egocurate.shards.export.chunk_layouts import LAYOUTS

RATE = 30

ReadFrames = Callable[[str, np.ndarray], np.ndarray]
"""(file, frames int64[T] ascending) -> uint8 [T, H, W, 3]"""


class Chunks(Dataset):
    """Clips out of chunks of a layout."""

    def __init__(self, data: Data, layout: str, read: ReadFrames) -> None:
        """Read the windows of all clips."""
        self._windows, self._layout, self._read = data.windows(), LAYOUTS[layout], read
        self._folder = data.chunks(layout)

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._windows)

    def __getitem__(self, at: int) -> Shown:
        """Return a clip: frames of a window that reaches into the next chunk are read there."""
        key, start, end = self._windows[at]
        rng, first = draw(), int(start * RATE)
        frames = first + frame_sampler(SHOWN.pick)(max(1, int(end * RATE) - first), SHOWN.frames, rng)
        chunk, inside = np.divmod(frames, self._layout.seconds * RATE)
        parts = [
            self._read(str(self._folder / self._layout.path(VIDEO, int(number))), inside[chunk == number])
            for number in np.unique(chunk)
        ]
        return cropped(key, torch.from_numpy(np.concatenate(parts)).permute(0, 3, 1, 2), rng)


class Loader:
    """PyTorch's own loader; it offers no state inside an epoch."""

    def __init__(self, dataset: Chunks, workers: int) -> None:
        """Shuffle by a seed."""
        self._loader = DataLoader(
            dataset,
            batch_size=BATCH,
            shuffle=True,
            num_workers=workers,
            collate_fn=stacked,
            drop_last=True,
            persistent_workers=workers > 0,
            generator=torch.Generator().manual_seed(SEED),
        )

    def epoch(self) -> Iterator[Batch]:
        """Yield an epoch."""
        yield from self._loader
