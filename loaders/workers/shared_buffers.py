"""Memory in which frames come from workers to the trainer, used again and again.

A worker that asks for fresh shared memory for each batch spends a tenth of its time on the pages: the system gives each
one empty. Here a few places are made once and lent out; a place is free again when the trainer has dropped its batch.
"""

import ctypes
import itertools
import math
import mmap
import weakref
from collections.abc import Callable

import torch

_KNOWN: "weakref.WeakValueDictionary[int, SharedBuffers]" = weakref.WeakValueDictionary()
_NUMBERS = itertools.count()


class SharedBuffers:
    """Places for the frames of one batch each, shared with the processes that fork from this one.

    They have no name, so nothing is left of them however the processes end.
    """

    def __init__(self, count: int, shape: tuple[int, ...]) -> None:
        """Make `count` places for uint8 tensors of a shape; pages are taken when they are first written."""
        self.shape = shape
        self._memory = [mmap.mmap(-1, math.prod(shape)) for _ in range(count)]
        self._free = list(range(count))
        self._number = next(_NUMBERS)
        _KNOWN[self._number] = self

    def take(self) -> int | None:
        """Return a free place, the one used last, or None if all are in use. The trainer calls this."""
        return self._free.pop() if self._free else None

    def open(self, slot: int) -> torch.Tensor:
        """Return a place as a tensor to write into. A worker calls this."""
        return torch.frombuffer(self._memory[slot], dtype=torch.uint8).view(self.shape)

    def lend(self, slot: int) -> torch.Tensor:
        """Return a place as a tensor to read; when nothing is left that looks at it, the place is free."""
        buffer = (ctypes.c_char * math.prod(self.shape)).from_buffer(self._memory[slot])
        weakref.finalize(buffer, self._free.append, slot).atexit = False
        return torch.frombuffer(buffer, dtype=torch.uint8).view(self.shape)

    def crossing(self, slot: int) -> "Crossing":
        """Return what a worker sends in place of the tensor: it arrives as what `lend` gives."""
        return Crossing(self._number, slot)


class Crossing:
    """Frames on their way: pickled as the number of their place, unpickled as the tensor there, channels first."""

    def __init__(self, number: int, slot: int) -> None:
        """Say where they are."""
        self._where = number, slot

    def __reduce__(self) -> tuple[Callable[[int, int], torch.Tensor], tuple[int, int]]:
        return _arrived, self._where


def _arrived(number: int, slot: int) -> torch.Tensor:
    return _KNOWN[number].lend(slot).movedim(-1, -3)
