"""Frames of a clip by torchcodec, where it and FFmpeg's shared libraries are installed."""

import numpy as np

from egocurate.shards.video.decoder_protocol import DecodeError, DecodeFrames, first_line


def load() -> DecodeFrames:
    """Return the decoder; raises ImportError, OSError or RuntimeError where torchcodec does not load."""
    from torchcodec.decoders import VideoDecoder

    def decode(data: bytes, indices: list[int]) -> np.ndarray:
        try:
            decoder = VideoDecoder(data, dimension_order="NHWC", num_ffmpeg_threads=1)
            return decoder.get_frames_at(indices).data.numpy()
        except (RuntimeError, ValueError, IndexError) as error:
            raise DecodeError(f"torchcodec: {first_line(error)}") from error

    return decode
