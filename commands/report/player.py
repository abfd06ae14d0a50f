"""A clip as a small video that plays inside the page: as it is stored where that is small, else encoded again."""

from __future__ import annotations

import base64
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from egocurate.loaders.frame_sampling import uniform
from egocurate.shards.profiles import H264
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.sample import Sample
from egocurate.shards.shard_format import MP4
from egocurate.shards.video.encode_mp4 import VideoEncoder

MOST_BYTES = 64_000  # of a clip in the page, which shows some 36 of them
SHORT_SIDE, MOST_FRAMES = 144, 48  # of a clip that is encoded again: a long one at its full size would fill the memory
_SMALL = H264(gop=MOST_FRAMES, crf=30, preset="medium", tune="", b_frames=2)


def frames_to_show(count: int) -> np.ndarray:
    """Return the frames of a clip of `count` that the page shows: all of few, else MOST_FRAMES evenly spaced; int64."""
    return np.unique(uniform(count, MOST_FRAMES))


def play_url(index: ShardIndex, sample: Sample, frames: np.ndarray) -> str:
    """Return a data: URL of an mp4 of a clip, "" if even its small copy has more than MOST_BYTES.

    frames: uint8 [T, H, W, 3], those of `frames_to_show`, already read: so the clip's bytes are sound. Pictures, and
    videos that are too large, are encoded again; the copy lasts as long as the clip.
    """
    if index.members == MP4 and sample.video_span[1] <= MOST_BYTES:
        video = index.read_video(sample.sample)
    else:
        video = small_mp4(frames, sample.fps * len(frames) / sample.frame_count)
    return "data:video/mp4;base64," + base64.b64encode(video).decode() if len(video) <= MOST_BYTES else ""


def small_mp4(frames: np.ndarray, fps: float) -> bytes:
    """Encode uint8 [T, H, W, 3], shown at `fps` frames per second, with the short side reduced to SHORT_SIDE."""
    _, height, width, _ = frames.shape
    scale = min(SHORT_SIDE / min(height, width), 1.0)
    size = tuple(max(round(side * scale / 2) * 2, 2) for side in (width, height))  # x264 wants even sides
    encoder = VideoEncoder(*size, Fraction(fps).limit_denominator(1000), _SMALL)
    for frame in frames:
        picture = np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS))
        encoder.add(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p"))
    return encoder.finish()[0]
