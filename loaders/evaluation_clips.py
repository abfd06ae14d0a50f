"""Clips of shards as an evaluation shows them to a model: the same frames each time, the center of each."""

from collections.abc import Sequence

import torch
from torch.utils.data import Dataset

from egocurate.loaders.crops import center_view, crop_and_resize
from egocurate.loaders.decode_clip import read_clip
from egocurate.loaders.frame_sampling import frame_sampler
from egocurate.loaders.order.counter_rng import Purpose, generator
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import BadSample
from egocurate.shards.video.decode import first_loading


class EvaluationClips(Dataset[torch.Tensor | str]):
    """Samples of an index in the order given; an item is the clip's frames, or a text that says why there are none.

    A failure is a value, as an exception that is raised in a DataLoader's worker loses its type on the way.
    """

    def __init__(
        self,
        index: ShardIndex,
        samples: Sequence[int],
        *,
        frames: int,
        size: int,
        pick: str = "segments-middle",
        decoder: str = "auto",
    ) -> None:
        """Show `frames` frames of `size` pixels on a side, chosen as `pick` says (`loaders.frame_sampling`).

        Raises InputError if there is no such way to pick frames, or no such decoder.
        """
        self.index, self.samples, self.frames, self.size = index, samples, frames, size
        self._pick, self._decoder = frame_sampler(pick), first_loading(decoder)

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.samples)

    def __getitem__(self, place: int) -> torch.Tensor | str:
        """Return the clip at a place among the samples as uint8 [T, 3, S, S], or why it cannot be had."""
        sample = int(self.samples[place])
        # Some ways to pick frames draw them: with one seed they are the same ones in every evaluation.
        rng = generator(0, 0, Purpose.VIEW, sample)
        indices = self._pick(int(self.index.frame_count[sample]), self.frames, rng)
        clip = read_clip(self.index, sample, indices, self._decoder)
        if isinstance(clip, BadSample):
            return str(clip)
        return crop_and_resize(clip, center_view(*clip.shape[-2:]), self.size)
