"""Frames of a sample by its row of the index, out of sound bytes only; what cannot be had is a value with a reason."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from egocurate.errors import InputError, StoreError
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.shard_format import VIDEO_KINDS
from egocurate.shards.video.count_frames import count_frames
from egocurate.shards.video.decode import decode_frames, frames_at
from egocurate.shards.video.decode_pictures import decode_pictures
from egocurate.shards.video.decoder_protocol import DecodeError
from egocurate.storage.redacted import redacted

FIRST_MEMBER = 1  # after the json: the mp4, or the picture of frame 0

T = TypeVar("T")


@dataclass(frozen=True)
class BadSample:
    """A sample whose frames cannot be had, and why; `source` numbers the folder where several are read together."""

    sample: int
    key: str
    shard: str
    reason: str
    source: int = 0

    def __str__(self) -> str:
        """Name the clip, where it is and what is wrong."""
        return f"{self.key} in {self.shard} ({self.reason})"


def read_frames(index: ShardIndex, sample: int, indices: np.ndarray, decoder: str = "auto") -> np.ndarray | BadSample:
    """Return the frames at indices int64[T] (any order, repeats too) of a sample as uint8 [T, H, W, 3], or why not.

    Of a clip stored as pictures no others are read. Raises StoreError: then the store, not the sample, is at fault.
    """

    def read() -> np.ndarray:
        if index.members in VIDEO_KINDS:
            return decode_frames(index.read_members(sample, [FIRST_MEMBER])[0], indices, decoder)
        return frames_at(indices, lambda distinct: decode_pictures(sound_pictures(index, sample, distinct)))

    return or_why_not(index, sample, read)


def check_frames(index: ShardIndex, sample: int) -> BadSample | None:
    """Decode a sample whole and return what is wrong with it, None if all its frames are there; errors as above."""

    def check() -> None:
        expected = int(index.frame_count[sample])
        members = index.read_members(sample, range(FIRST_MEMBER, len(index.spans(sample))))
        count = count_frames(members, index.members)
        if count != expected:
            raise DecodeError(f"it holds {count} frames, the index says {expected}")

    return or_why_not(index, sample, check)


def or_why_not(index: ShardIndex, sample: int, read: Callable[[], T]) -> T | BadSample:
    """Return what `read` returns; its failure is a value, as raised in a worker process it arrives as a traceback."""
    try:
        return read()
    except StoreError:
        raise
    except (DecodeError, InputError, OSError) as error:
        return BadSample(sample, index.key(sample), redacted(str(index.row(sample).shard_path)), redacted(str(error)))


def sound_pictures(index: ShardIndex, sample: int, frames: list[int]) -> list[bytes]:
    """Return the pictures of some frames, ascending; raises DecodeError beyond the last, and as `read_members`."""
    count = int(index.frame_count[sample])
    if frames[-1] >= count:
        raise DecodeError(f"frames {frames} of {count} were asked for")
    return index.read_members(sample, [frame + FIRST_MEMBER for frame in frames])
