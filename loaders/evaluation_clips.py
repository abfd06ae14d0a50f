"""Clips of shards as an evaluation shows them to a model."""

import torch
from torch.utils.data import Dataset

from egocurate.loaders.config import StreamConfig
from egocurate.loaders.crops import center_view, show
from egocurate.loaders.decode_clip import read_clip
from egocurate.loaders.frame_sampling import segments_middle
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import BadSample
from egocurate.shards.video.decode import first_loading


class ShardClips(Dataset):
    """Clips of shards as a model is shown them in an evaluation: the middle of each part, the center of the frame."""

    def __init__(self, index: ShardIndex, samples: list[int], shown: StreamConfig) -> None:
        """Show these samples as the config says."""
        self._index, self._samples, self._shown = index, samples, shown
        self._decoder = first_loading(shown.decoder)

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._samples)

    def __getitem__(self, place: int) -> torch.Tensor | str:
        """Return uint8 [T, 3, S, S], or why there is none."""
        sample = self._samples[place]
        places = segments_middle(int(self._index.frame_count[sample]), self._shown.frames)
        frames = read_clip(self._index, sample, places, self._decoder)
        if isinstance(frames, BadSample):
            return str(frames)
        return show(frames, center_view(*frames.shape[-2:]), self._shown.size)
