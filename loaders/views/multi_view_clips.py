"""Clips of shards as a test of several views shows them: all views of a clip at once, decoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from egocurate.errors import InputError
from egocurate.loaders.crops import crop_and_resize
from egocurate.loaders.decode_clip import read_clip
from egocurate.loaders.views.view_sampling import spatial_views, view_sampler
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import BadSample
from egocurate.shards.video.decode import first_loading


@dataclass(frozen=True, kw_only=True)
class Views:
    """The views of a test: K temporal `segments`, each at C `crops` along the longer side of the picture.

    `frames` and `size` are T and S of each view. `pick` says how training picks frames (`StreamConfig.pick`): dense
    views are K runs of frames at that stride, uniform ones K offsets into T equal parts. Raises InputError for counts
    that are none and a pick that there is not.
    """

    frames: int = 16
    size: int = 224
    segments: int = 5
    crops: int = 3
    pick: str = "stride-4"

    def __post_init__(self) -> None:
        view_sampler(self.pick)
        if min(self.frames, self.size, self.segments, self.crops) < 1:
            raise InputError(
                f"frames {self.frames}, size {self.size}, segments {self.segments} and crops {self.crops} must be "
                "positive"
            )

    def __len__(self) -> int:
        """Return V, the number of views: K x C."""
        return self.segments * self.crops


class MultiViewClips(Dataset[torch.Tensor | str]):
    """Samples of an index in the order given; an item is uint8 [V, T, 3, S, S], all views of a clip.

    View v shows temporal segment v // C at crop v % C. A clip that does not decode is a text that says why.
    """

    def __init__(self, index: ShardIndex, samples: Sequence[int], views: Views, *, decoder: str = "auto") -> None:
        """Show the views of these samples; raises InputError for a decoder that there is not."""
        self.index, self.samples, self.views = index, samples, views
        self._sampler, self._decoder = view_sampler(views.pick), first_loading(decoder)

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.samples)

    def __getitem__(self, place: int) -> torch.Tensor | str:
        """Return all views of the clip at a place among the samples, or why it cannot be had."""
        views, sample = self.views, int(self.samples[place])
        wanted = self._sampler(int(self.index.frame_count[sample]), views.frames, views.segments)  # [K, T]
        distinct, where = np.unique(wanted, return_inverse=True)
        decoded = read_clip(self.index, sample, distinct, self._decoder)
        if isinstance(decoded, BadSample):
            return str(decoded)
        boxes = spatial_views(*decoded.shape[-2:], views.crops)
        # Each frame is resized once for each crop, not once for each segment that shows it.
        crops = torch.stack([crop_and_resize(decoded, box, views.size) for box in boxes])  # [C, distinct, 3, S, S]
        shown = crops[:, torch.from_numpy(where.reshape(wanted.shape))]  # [C, K, T, 3, S, S]
        return shown.transpose(0, 1).flatten(0, 1)

    def labels(self, kind: str) -> np.ndarray:
        """Return the class numbers int64[N] of the clips, -1 where not known; InputError for a label they have not."""
        if kind not in self.index.labels:
            there = ", ".join(self.index.labels) or "none; cut them with `curate segments --csv`"
            raise InputError(f"{self.index.folder} has no label {kind!r}: there are {there}")
        return self.index.labels[kind][np.asarray(self.samples, np.int64)].astype(np.int64)
