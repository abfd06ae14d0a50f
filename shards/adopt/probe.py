"""How many frames a video of a stranger has and how fast they come, from its packets: nothing is decoded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import av

from egocurate.shards.shard_format import VIDEO_KINDS
from egocurate.shards.video.decode_pictures import picture_size
from egocurate.shards.video.decoder_protocol import DecodeError, check_size, first_line
from egocurate.storage.open_video import container_of, open_clip, video_stream

_UNEVEN = 1.5  # times the mean from one frame to the next: frame n is no longer near n / fps


@dataclass(frozen=True)
class Probed:
    """Frames, frames per second and seconds of a clip; `is_even` where its frames come at one rate."""

    frame_count: int
    fps: float
    seconds: float
    is_even: bool = True


def probe(data: bytes, kind: str) -> Probed:
    """Return what a video (`mp4`, `webm`) or a picture holds; raises DecodeError for what cannot be read.

    A picture is a clip of one frame, of one second. The rate of a video is the mean over its frames.
    """
    if kind not in VIDEO_KINDS:
        picture_size(data)
        return Probed(1, 1.0, 1.0)
    if container_of(data) is None:
        raise DecodeError("no mp4 or webm file")
    try:
        with open_clip(data) as container:
            stream = video_stream(container)
            check_size(stream.width, stream.height)
            times = [packet.pts for packet in container.demux(stream) if packet.size and not packet.is_discard]
            return _probed(sorted(times), float(stream.time_base), stream.average_rate)
    # OSError is FFmpeg's own, too; TypeError: frames without times; ValueError: a rate of 0.
    except (av.error.FFmpegError, OSError, AttributeError, IndexError, TypeError, ValueError) as error:
        raise DecodeError(f"PyAV: {first_line(error)}") from error


def _probed(times: list[int], tick: float, stated_rate: object) -> Probed:
    if not times:
        raise DecodeError("it has no frames")
    gaps = [(after - before) * tick for before, after in pairwise(times)]
    mean = sum(gaps) / len(gaps) if gaps else 1 / float(stated_rate or 1)
    if not (math.isfinite(mean) and mean > 0):
        raise DecodeError("its frames have no times")
    return Probed(len(times), 1 / mean, len(times) * mean, all(gap < _UNEVEN * mean for gap in gaps))
