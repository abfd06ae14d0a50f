"""How fast a run is: clips per second, time spent waiting for data, share of the device's peak, time left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch


class Throughput:
    """Clock of a run's steps; what is spent aside does not count.

    On a GPU waiting is the time for which it had nothing to do because no batch was there: the host may well wait
    while the GPU is still at work on the last step.
    """

    def __init__(self, clips_per_step: int, device: torch.device) -> None:
        """Start the clock."""
        self.clips_per_step, self.steps, self.spent = clips_per_step, 0, {"waiting": 0.0, "aside": 0.0}
        self.ideal = 0.0
        """seconds that a step would take at the device's peak; 0 if that is not known"""
        self._on_gpu, self._waits = device.type == "cuda", []
        self._started, self._mark, self._first = time.perf_counter(), (0, 0.0, 0.0), (0, 0.0)

    @contextmanager
    def spend(self, on: Literal["waiting", "aside"]) -> Iterator[None]:
        """Count the time of a block."""
        if on == "waiting" and self._on_gpu:
            idle, busy = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            idle.record()
            yield
            busy.record()
            self._waits.append((idle, busy))
            return
        began = time.perf_counter()
        yield
        self.spent[on] += time.perf_counter() - began

    def lap(self) -> dict[str, float]:
        """Return clips_per_sec, data_wait (0..1) and, where the peak is known, mfu (0..1) since the last lap."""
        for idle, busy in self._waits:
            busy.synchronize()
            self.spent["waiting"] += idle.elapsed_time(busy) / 1000
        self._waits = []
        now = (self.steps, self._seconds(), self.spent["waiting"])
        steps, seconds, waiting = (new - old for new, old in zip(now, self._mark, strict=True))
        self._mark = now
        if not self._first[0]:  # the first steps, slow to start, tell nothing of those to come
            self._first = (self.steps, time.perf_counter())
        found = {"clips_per_sec": steps * self.clips_per_step / seconds, "data_wait": waiting / seconds}
        return found | ({"mfu": steps * self.ideal / seconds} if self.ideal else {})

    def left(self, steps: int) -> float | None:
        """Return the seconds that so many more steps will take, with all that is done aside; None while unknown."""
        first, since = self._first
        if not first or self.steps == first:
            return None
        return (time.perf_counter() - since) / (self.steps - first) * steps

    def clips_per_sec(self) -> float:
        """Return the mean over all steps."""
        return self.steps * self.clips_per_step / self._seconds()

    def _seconds(self) -> float:
        return time.perf_counter() - self._started - self.spent["aside"]
