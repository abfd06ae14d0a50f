"""What every decoder of clips is: a function that gives chosen frames, and the error that it raises."""

from collections.abc import Callable

import numpy as np

DecodeFrames = Callable[[bytes, list[int]], np.ndarray]
"""(mp4 file, ascending distinct frame numbers) -> uint8 [T, H, W, 3]; raises DecodeError"""


class DecodeError(Exception):
    """A clip whose bytes do not hold the frames they should; `str()` is one line."""


def first_line(error: Exception) -> str:
    """Return what an error says, in one line; its name where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
