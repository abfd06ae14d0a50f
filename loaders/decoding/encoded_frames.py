"""The files of a batch's clips on their way to where they are decoded, as a few tensors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.utils.data import get_worker_info

from egocurate.shards.read.read_encoded import EncodedClip


@dataclass(frozen=True)
class EncodedFrames:
    """What the frames of M clips are decoded from."""

    data: torch.Tensor
    """uint8: all files, one after the other"""
    ends: torch.Tensor
    """int64[F], where each file ends"""
    files: torch.Tensor
    """int64[M], how many each clip has"""
    is_mp4: torch.Tensor
    """bool[M]"""
    indices: torch.Tensor
    """int64[M, T], the frames shown"""
    sizes: torch.Tensor
    """int64[M, 2], height and width of the stored frames"""
    anchors: Sequence[tuple[int, int, int]] = ()
    """(set, the set's epoch, sample id) of each anchor as it was asked for, which says all that is to be shown"""

    def clips(self) -> list[EncodedClip]:
        """Return the clips; their files look into `data`."""
        data, ends = memoryview(self.data.numpy()), [0, *self.ends.tolist()]
        first, clips = 0, []
        for row, count in enumerate(self.files.tolist()):
            spans = range(first, first + count)
            files = [data[ends[number] : ends[number + 1]] for number in spans]
            size = tuple(self.sizes[row].tolist())
            clips.append(EncodedClip(files, bool(self.is_mp4[row]), self.indices[row].numpy(), size))
            first += count
        return clips

    def pin_memory(self) -> "EncodedFrames":
        """Return the same with the files in page-locked memory, from which a GPU copies without the host."""
        return replace(self, data=self.data.pin_memory())


def encoded_frames(clips: Sequence[EncodedClip]) -> EncodedFrames:
    """Return clips as tensors; in a worker the files lie where the trainer will see them."""
    files = [file for clip in clips for file in clip.files]
    ends = np.cumsum([len(file) for file in files], dtype=np.int64)
    data = shareable(int(ends[-1]))
    into = memoryview(data.numpy())
    for end, file in zip(ends.tolist(), files, strict=True):
        into[end - len(file) : end] = file
    return EncodedFrames(
        data,
        torch.from_numpy(ends),
        torch.tensor([len(clip.files) for clip in clips]),
        torch.tensor([clip.is_mp4 for clip in clips]),
        torch.from_numpy(np.stack([clip.indices for clip in clips]).astype(np.int64)),
        torch.tensor([clip.size for clip in clips], dtype=torch.int64),
    )


def shareable(count: int) -> torch.Tensor:
    """Return new bytes, uint8[count]; in a worker they lie where the trainer will see them, not to be copied there."""
    if get_worker_info() is None:
        return torch.empty(count, dtype=torch.uint8)
    shared = torch.UntypedStorage._new_shared(count)  # as PyTorch's own collate function does
    return torch.empty(0, dtype=torch.uint8).set_(shared, 0, (count,))
