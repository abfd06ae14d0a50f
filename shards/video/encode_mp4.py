"""Encode one clip in memory, the same bytes for the same frames every time."""

import io
from fractions import Fraction
from typing import Protocol

import av

from egocurate.shards.profiles import H264, Profile
from egocurate.shards.video.encode_pictures import PictureEncoder

BITEXACT = 1 << 23  # AV_CODEC_FLAG_BITEXACT: no version strings in the stream
BT601, LIMITED_RANGE = 6, 1


class ClipEncoder(Protocol):
    """Takes the frames of a clip one after the other; frame n is shown at n / rate seconds."""

    frame_count: int

    def add(self, frame: av.VideoFrame) -> None:
        """Append a frame."""

    def finish(self) -> tuple[bytes, ...]:
        """Close the clip and return its members."""


def clip_encoder(width: int, height: int, rate: Fraction, profile: Profile) -> ClipEncoder:
    """Open the encoder of a profile for frames of one size."""
    if isinstance(profile.codec, H264):
        return VideoEncoder(width, height, rate, profile.codec)
    return PictureEncoder(profile.codec)


class VideoEncoder:
    """H.264 in mp4."""

    def __init__(self, width: int, height: int, rate: Fraction, codec: H264) -> None:
        """Open the encoder for frames of one size."""
        self.rate, self.frame_count = rate, 0
        self._file = io.BytesIO()
        # The muxer writes neither a creation time nor its version.
        self._container = av.open(self._file, "w", format="mp4", container_options={"fflags": "+bitexact"})
        stream = self._container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {
            "preset": codec.preset,
            "crf": str(codec.crf),
            "g": str(codec.gop),
            "bf": str(codec.b_frames),
            # x264's macroblock tree reads stale memory in small pictures, and then equal frames give other bytes; in
            # groups this short it gains nothing, and without it there is nothing to look ahead for.
            "mbtree": "0",
            "rc-lookahead": "0",
        } | ({"tune": codec.tune} if codec.tune else {})
        context = stream.codec_context
        context.thread_count = 1
        context.flags |= BITEXACT
        context.colorspace, context.color_range = BT601, LIMITED_RANGE
        self._stream = stream

    def add(self, frame: av.VideoFrame) -> None:
        """Append a frame; only its time stamp is changed."""
        frame.pts, frame.time_base = self.frame_count, 1 / self.rate
        # Let the encoder choose: filtered frames still carry the type the source had.
        frame.pict_type = 0
        self.frame_count += 1
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> tuple[bytes]:
        """Close the clip and return the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return (self._file.getvalue(),)
