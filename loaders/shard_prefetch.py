"""Fetch the shards that a rank's batches need next, while those before are in use."""

import threading
from collections import deque
from collections.abc import Iterator

import numpy as np

from egocurate.errors import StoreError
from egocurate.shards.read.shard_reader import ShardReader
from egocurate.storage.store_errors import note

SHARDS_AHEAD = 8
"""shards of the steps to come that are fetched before their first sample is asked for"""
FETCHERS = 4
"""shards on their way at once"""


def first_needs(shards: np.ndarray) -> list[tuple[int, int]]:
    """Return (step, shard) for each distinct one of shards int[steps, batch], by the first step that needs it."""
    distinct, first = np.unique(shards, return_index=True)
    order = np.argsort(first, kind="stable")
    steps = first[order] // max(1, shards.shape[-1])
    return list(zip(steps.tolist(), distinct[order].tolist(), strict=True))


class ShardPrefetch:
    """Threads that bring shards into the reader's cache, never many more than the steps reached need."""

    def __init__(self, reader: ShardReader, needs: Iterator[tuple[int, int]]) -> None:
        """Begin with the shards of step 0; `needs` are (step, shard), steps ascending."""
        self._reader, self._needs = reader, needs
        self._reached, self._stopped = 0, False
        self._steps_ahead: deque[int] = deque()  # steps that are not reached and whose shards are fetched
        self._next_need, self._changed = threading.Lock(), threading.Condition()
        for number in range(FETCHERS):
            threading.Thread(target=self._fetch, name=f"shard prefetch {number}", daemon=True).start()

    def reached(self, step: int) -> None:
        """Say that the batches of a step are being made."""
        with self._changed:
            self._reached = step
            while self._steps_ahead and self._steps_ahead[0] <= step:
                self._steps_ahead.popleft()
            self._changed.notify_all()

    def stop(self) -> None:
        """Fetch no further shard; those on their way arrive."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _fetch(self) -> None:
        while (shard := self._next()) is not None:
            try:
                self._reader.fetch(shard)
            except StoreError as error:
                note(str(error))  # whoever needs the shard asks again, and ends the run if it must

    def _next(self) -> int | None:
        """Return the shard to fetch next, once it is near enough; None at the end."""
        with self._next_need:
            step, shard = next(self._needs, (0, None))
            with self._changed:
                while not self._stopped and step > self._reached and len(self._steps_ahead) >= SHARDS_AHEAD:
                    self._changed.wait()
                if step > self._reached:
                    self._steps_ahead.append(step)
                return None if self._stopped else shard
