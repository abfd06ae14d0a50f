"""How many rows fit into a device's memory, from a few tries."""

from __future__ import annotations

from collections.abc import Callable

FILLED = 0.9
"""share of the memory that a batch may take: the allocator's gaps and the libraries' own take the rest"""
_SHRINK = 0.8


def largest_batch(peak_bytes: Callable[[int], int | None], memory: int, *, first: int, most: int, multiple: int) -> int:
    """Return the largest batch, a multiple of `multiple` up to `most`, whose step stays within `FILLED` of the memory.

    peak_bytes: what a step of so many rows holds at most, None if that is more than there is. Memory is a line in the
    rows, so two small batches tell which is the largest; the guess is tried, and smaller ones if it does not fit.
    Raises MemoryError if `first` rows do not fit.
    """
    small, twice = peak_bytes(first), peak_bytes(min(2 * first, most))
    if small is None:
        raise MemoryError(f"a batch of {first} does not fit into {memory / 2**30:.0f} GiB")
    if twice is None:
        return first
    slope = max(twice - small, 1) / first
    batch = _rounded(min(most, first + (FILLED * memory - small) / slope), multiple)
    while batch > first:
        peak = peak_bytes(batch)
        if peak is not None and peak <= memory:
            return batch
        batch = _rounded(batch * _SHRINK, multiple)
    return first


def _rounded(batch: float, multiple: int) -> int:
    return max(multiple, int(batch) // multiple * multiple)
