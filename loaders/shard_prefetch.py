"""Fetch the shards that a rank's plan comes to next, while those before are in use."""

import logging
import threading
from collections import deque
from collections.abc import Iterator

import numpy as np

from egocurate.errors import StoreError
from egocurate.shards.read.shard_reader import ShardReader

SHARDS_AHEAD = 8
"""shards of the steps to come that are fetched before their first sample is asked for"""
FETCHERS = 4
"""shards on their way at once"""

log = logging.getLogger(__name__)


def first_needs(shards: np.ndarray) -> list[tuple[int, int]]:
    """Return (step, shard) for each shard of a plan int[steps, batch], by the first step that needs it."""
    names, first = np.unique(shards, return_index=True)
    order = np.argsort(first, kind="stable")
    steps = first[order] // max(1, shards.shape[-1])
    return list(zip(steps.tolist(), names[order].tolist(), strict=True))


class ShardPrefetch:
    """Threads that bring one plan's shards into the reader's cache, never many more than the steps reached need."""

    def __init__(self, reader: ShardReader, needs: Iterator[tuple[int, int]]) -> None:
        """Begin with the shards of step 0; `needs` are (step, shard), steps ascending."""
        self._reader, self._needs = reader, needs
        self._reached, self._over = 0, False
        self._waiting_for: deque[int] = deque()  # steps, not reached, whose shards are taken
        self._take, self._changed = threading.Lock(), threading.Condition()
        for number in range(FETCHERS):
            threading.Thread(target=self._fetch, name=f"shards ahead {number}", daemon=True).start()

    def reached(self, step: int) -> None:
        """Say that the plan is at a step."""
        with self._changed:
            self._reached = step
            while self._waiting_for and self._waiting_for[0] <= step:
                self._waiting_for.popleft()
            self._changed.notify_all()

    def stop(self) -> None:
        """Fetch no further shard; those on their way arrive."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _fetch(self) -> None:
        while (shard := self._next()) is not None:
            try:
                self._reader.fetch(shard)
            except StoreError as error:
                log.warning("%s", error)  # whoever needs the shard asks again, and ends the run if it must

    def _next(self) -> int | None:
        with self._take:
            step, shard = next(self._needs, (0, None))
            with self._changed:
                while not self._over and step > self._reached and len(self._waiting_for) >= SHARDS_AHEAD:
                    self._changed.wait()
                if step > self._reached:
                    self._waiting_for.append(step)
                return None if self._over else shard
