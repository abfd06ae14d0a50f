"""Whole videos as clips of an evaluation: a few frames spread over each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.data import Dataset

from egocurate.loaders.videos.long_videos import BadVideo, spread_frames


class WholeVideos(Dataset[torch.Tensor | str]):
    """Videos in the order given; an item is uint8 [T, 3, S, S], the middles of T equal parts, or why there are none."""

    def __init__(self, paths: Sequence[Path], *, frames: int, size: int) -> None:
        """Show these files; none is opened yet."""
        self._paths, self._frames, self._size = paths, frames, size

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self._paths)

    def __getitem__(self, place: int) -> torch.Tensor | str:
        """Return the frames of the video at a place, or a text that says why it cannot be had."""
        path = self._paths[place]
        if not path.is_file():
            return "not there"
        try:
            return spread_frames(path, frames=self._frames, size=self._size)
        except BadVideo as error:
            return str(error)
