"""What every decoder of clips is: a function that gives chosen frames, and the error that it raises."""

from collections.abc import Callable

import numpy as np

DecodeFrames = Callable[[bytes, list[int]], np.ndarray]
"""(mp4 file, ascending distinct frame numbers) -> uint8 [T, H, W, 3]; raises DecodeError"""


MOST_PIXELS = 40_000_000
"""Of one frame, more than 8K has: a few bytes of a forged clip could ask for any amount of memory."""


class DecodeError(Exception):
    """A clip whose bytes do not hold the frames they should; `str()` is one line."""


def check_size(width: int, height: int) -> None:
    """Raise DecodeError for a frame of more than MOST_PIXELS."""
    if width * height > MOST_PIXELS:
        raise DecodeError(f"frames of {width} x {height} pixels, more than {MOST_PIXELS:,}")


def first_line(error: Exception) -> str:
    """Return what an error says, in one line; its name where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
