"""Frames of a clip by decord, where it is installed."""

import io
from typing import TYPE_CHECKING

import numpy as np

from egocurate.shards.video.decoder_protocol import DecodeError, DecodeFrames, first_line

if TYPE_CHECKING:
    import decord


def load() -> DecodeFrames:
    """Return the decoder; raises ImportError or OSError where decord does not load."""
    import decord

    decord.logging.set_level(decord.logging.QUIET)

    def decode(data: bytes, indices: list[int]) -> np.ndarray:
        try:
            reader = decord.VideoReader(io.BytesIO(data), num_threads=1)
            if indices[-1] >= len(reader):
                raise DecodeError(f"decord: frame {indices[-1]} of {len(reader)}")
            return _in_order(reader, indices)
        except (decord.DECORDError, RuntimeError, StopIteration) as error:
            raise DecodeError(f"decord: {first_line(error)}") from error

    return decode


def _in_order(reader: "decord.VideoReader", indices: list[int]) -> np.ndarray:
    """Return the frames without a seek or skip: decord 0.6 returns wrong frames after some (dmlc/decord#91, #252)."""
    wanted = set(indices)
    frames = (reader.next() for _ in range(indices[-1] + 1))
    return np.stack([frame.asnumpy() for index, frame in enumerate(frames) if index in wanted])
