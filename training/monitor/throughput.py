"""How fast a run is: clips per second, time spent waiting for data, share of the device's peak, time to the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Throughput:
    """Clock of a run's steps; what happens inside `paused` does not count.

    On a GPU waiting is the time for which it had nothing to do because no batch was there: the host may well wait
    while the GPU is still at work on the last step.
    """

    def __init__(self, clips_per_step: int, device: torch.device) -> None:
        """Start the clock."""
        self.clips_per_step, self.steps = clips_per_step, 0
        self.peak_seconds_per_step = 0.0
        """seconds that a step would take at the device's peak; 0 if that is not known"""
        self._on_gpu = device.type == "cuda"
        self._idle_times: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._started = time.perf_counter()
        self._paused_seconds = self._waiting_seconds = 0.0
        self._last_row = (0, 0.0, 0.0)  # steps, seconds and seconds of waiting when `rates` was last asked for
        self._first_row = (0, 0.0)  # steps and time of day when it was first asked for

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time of a block that gets the next batch."""
        if self._on_gpu:
            idle, busy = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            idle.record()
            yield
            busy.record()
            self._idle_times.append((idle, busy))
            return
        began = time.perf_counter()
        yield
        self._waiting_seconds += time.perf_counter() - began

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the time of a block out: evaluation, checkpoints."""
        began = time.perf_counter()
        yield
        self._paused_seconds += time.perf_counter() - began

    def rates(self) -> dict[str, float]:
        """Return clips_per_sec, data_wait (0..1) and, where the peak is known, mfu (0..1), since the last call."""
        for idle, busy in self._idle_times:
            busy.synchronize()
            self._waiting_seconds += idle.elapsed_time(busy) / 1000
        self._idle_times = []
        now = (self.steps, self._seconds(), self._waiting_seconds)
        steps, seconds, waiting = (new - old for new, old in zip(now, self._last_row, strict=True))
        self._last_row = now
        if not self._first_row[0]:  # the first steps, slow to start, tell nothing of those to come
            self._first_row = (self.steps, time.perf_counter())
        rates = {"clips_per_sec": steps * self.clips_per_step / seconds, "data_wait": waiting / seconds}
        if self.peak_seconds_per_step:
            rates["mfu"] = steps * self.peak_seconds_per_step / seconds
        return rates

    def seconds_to_go(self, steps: int) -> float | None:
        """Return the seconds that so many more steps will take, pauses too; None while that is unknown."""
        first, since = self._first_row
        if not first or self.steps == first:
            return None
        return (time.perf_counter() - since) / (self.steps - first) * steps

    def clips_per_sec(self) -> float:
        """Return the mean over all steps."""
        return self.steps * self.clips_per_step / self._seconds()

    def _seconds(self) -> float:
        return time.perf_counter() - self._started - self._paused_seconds
