"""Memory in which workers hand frames to the trainer, used again and again.

A worker that asks for fresh shared memory for each batch spends a tenth of its time on the pages: the system gives each
one empty. Here a few buffers are made once; each is free again when the trainer has dropped the batch that lies in it.
"""

import ctypes
import itertools
import math
import mmap
import weakref
from collections.abc import Callable

import torch

# Those of this process and, after a fork, of its parent, so that a number that a worker sends means the same memory.
_BUFFERS: "weakref.WeakValueDictionary[int, SharedBuffers]" = weakref.WeakValueDictionary()
_NUMBERS = itertools.count()


class SharedBuffers:
    """Buffers for the frames of one batch each, shared with the processes that fork from this one.

    They have no name, so nothing is left of them however the processes end.
    """

    def __init__(self, count: int, shape: tuple[int, ...]) -> None:
        """Make `count` buffers for uint8 tensors of a shape; pages are taken when they are first written."""
        self.shape = shape
        self._memory = [mmap.mmap(-1, math.prod(shape)) for _ in range(count)]
        self._free = list(range(count))
        self._number = next(_NUMBERS)
        _BUFFERS[self._number] = self

    def reserve(self) -> int | None:
        """Return the number of a free buffer, the one used last, or None if all are in use. The trainer calls this."""
        return self._free.pop() if self._free else None

    def writable(self, buffer: int) -> torch.Tensor:
        """Return a buffer as a tensor to write into. A worker calls this."""
        return torch.frombuffer(self._memory[buffer], dtype=torch.uint8).view(self.shape)

    def lend(self, buffer: int) -> torch.Tensor:
        """Return a buffer as a tensor to read; when no tensor that looks at it is left, the buffer is free."""
        memory = (ctypes.c_char * math.prod(self.shape)).from_buffer(self._memory[buffer])
        weakref.finalize(memory, self._free.append, buffer).atexit = False
        return torch.frombuffer(memory, dtype=torch.uint8).view(self.shape)

    def reference(self, buffer: int) -> "BufferReference":
        """Return what a worker sends in place of the tensor: it arrives as what `lend` gives."""
        return BufferReference(self._number, buffer)


class BufferReference:
    """Frames on their way: pickled as the number of their buffer, unpickled as the tensor in it, channels first."""

    def __init__(self, buffers: int, buffer: int) -> None:
        """Refer to a buffer of the SharedBuffers of a number."""
        self._numbers = buffers, buffer

    def __reduce__(self) -> tuple[Callable[[int, int], torch.Tensor], tuple[int, int]]:
        return _lent, self._numbers


def _lent(buffers: int, buffer: int) -> torch.Tensor:
    return _BUFFERS[buffers].lend(buffer).movedim(-1, -3)
