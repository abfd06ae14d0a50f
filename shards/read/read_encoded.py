"""Chosen frames of a sample as their files, for whoever decodes elsewhere than where they are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import av
import numpy as np

from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import FIRST_MEMBER, BadSample, or_why_not, sound_pictures
from egocurate.shards.shard_format import VIDEO_KINDS
from egocurate.shards.video.decode import decode_frames, frames_at
from egocurate.shards.video.decode_pictures import decode_pictures, picture_size
from egocurate.shards.video.decoder_protocol import DecodeError, check_size
from egocurate.storage.open_video import container_of, open_clip


@dataclass(frozen=True)
class EncodedClip:
    """Chosen frames of a clip, not decoded: an mp4, or the pictures of those of its frames that are chosen."""

    files: Sequence[bytes | memoryview]
    """the mp4 alone, or the pictures of the distinct frames, ascending"""
    is_mp4: bool
    """whether it is one video, mp4 or webm, and not pictures"""
    indices: np.ndarray
    """int64[T], the frames shown: any order, repeats too"""
    size: tuple[int, int]
    """height and width of the frames as the files say; (0, 0) where they do not"""


def read_encoded(index: ShardIndex, sample: int, indices: np.ndarray) -> EncodedClip | BadSample:
    """Return the files of the frames at indices int64[T] of a sample, or why not; raises StoreError.

    What is in sound bytes is for the decoder to judge: files that do not say how large their frames are have size 0.
    """

    def read() -> EncodedClip:
        if index.members in VIDEO_KINDS:
            files = index.read_members(sample, [FIRST_MEMBER])
            return EncodedClip(files, True, indices, _or_none(_video_size, files[0]))
        distinct = np.unique(indices).tolist()
        if not distinct or distinct[0] < 0:
            raise DecodeError(f"frames {indices.tolist()} were asked for")
        files = sound_pictures(index, sample, distinct)
        return EncodedClip(files, False, indices, _or_none(picture_size, files[0]))

    return or_why_not(index, sample, read)


def decode_encoded(clip: EncodedClip, decoder: str = "auto") -> np.ndarray:
    """Return the frames of a clip as uint8 [T, H, W, 3], those that `read_frames` gives; raises DecodeError."""
    files = [bytes(file) for file in clip.files]
    if clip.is_mp4:
        return decode_frames(files[0], clip.indices, decoder)
    return frames_at(clip.indices, lambda _: decode_pictures(files))


def _or_none(size_of: Callable[[bytes], tuple[int, int]], file: bytes) -> tuple[int, int]:
    try:
        return size_of(file)
    except DecodeError:
        return (0, 0)


def _video_size(file: bytes) -> tuple[int, int]:
    """Return height and width of a video's frames, of which none is decoded; raises DecodeError."""
    if container_of(file) is None:
        raise DecodeError("no mp4 or webm file")
    try:
        with open_clip(file) as container:
            stream = container.streams.video[0]
            check_size(stream.width, stream.height)
            return stream.height, stream.width
    # AttributeError: an unknown codec; IndexError: no video stream.
    except (av.error.FFmpegError, AttributeError, IndexError, ValueError) as error:
        raise DecodeError(f"PyAV: {str(error) or type(error).__name__}") from error
