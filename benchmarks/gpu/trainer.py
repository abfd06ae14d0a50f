"""The training step of a recipe, as the training loop takes it, fed with whatever batches: for measuring."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import fields, replace

import torch
from torch import Tensor, nn

from benchmarks.gpu.setup import Facts
from egocurate.loaders.batch import Batch
from egocurate.training.config.optimizer import build_optimizer, set_learning_rate
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.parallel import wrap_for_ranks
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.monitor.mfu import peak_seconds, step_flops
from egocurate.training.monitor.throughput import Throughput
from egocurate.training.step.batches import next_batches, open_stream
from egocurate.training.step.micro_batches import BatchGradient
from egocurate.training.systems import build_system
from egocurate.training.systems.step_rng import StepRng

WARM_STEPS = 3
LEAST_STEPS = 4


class Trainer:
    """Model, optimizer and step of a config on this process's device; batches may be of any size."""

    def __init__(self, config: TrainConfig, ranks: Ranks) -> None:
        """Build all but the data's workers; the model's first weights are drawn, none loaded."""
        self.config, self.ranks = config, ranks
        data = open_stream(replace(config, data=replace(config.data, workers=0)), ranks)
        self.system = build_system(config, data, ranks)
        self.network = wrap_for_ranks(self.system.model, config, ranks)
        self.optimizer = build_optimizer(
            self.system.model, config.optimizer, self.system.new_parameters, self.system.layers_above
        )
        self.sample = next(data.epoch(0)).to(ranks.device)
        data.close()

    def step(self, batch: Batch, step_rng: StepRng) -> dict[str, Tensor]:
        """Take one step; returns its losses."""
        anchors = len(batch) // (2 if self.config.data.negatives else 1)
        gradient = BatchGradient(replace(self.config, batch_size=anchors), self.system, self.network, self.ranks)
        set_learning_rate(self.optimizer, self.config.optimizer, 1, 1_000_000, 100)
        self.optimizer.zero_grad()
        losses = gradient.backward(batch, step_rng)
        if self.config.optimizer.clip_grad:
            nn.utils.clip_grad_norm_(self.system.model.parameters(), self.config.optimizer.clip_grad)
        self.optimizer.step()
        return losses

    def cached_step(self, anchors: int) -> None:
        """Take one step on so many anchors, repeats of those of the sample."""
        self.step(*self.cached(anchors))

    def cached(self, anchors: int) -> tuple[Batch, StepRng]:
        """Return a batch of so many anchors, and their negatives if there are any, made of the sample's rows."""
        own = len(self.sample) // (2 if self.config.data.negatives else 1)
        rows = [start + row % own for start in range(0, len(self.sample), own) for row in range(anchors)]
        values = {field.name: getattr(self.sample, field.name) for field in fields(self.sample)}
        tensors = {name: value[rows] for name, value in values.items() if isinstance(value, Tensor)}
        batch = replace(self.sample, texts=[self.sample.texts[row] for row in rows], **tensors)
        return batch, StepRng(self.config.data.seed, 0, anchors)

    def peak_bytes(self, anchors: int) -> int | None:
        """Return the most that a step on so many anchors holds on the GPU, None if that is more than there is.

        Two steps, because the first has no optimizer state yet.
        """
        torch.cuda.reset_peak_memory_stats()
        try:
            self.cached_step(anchors)
            self.cached_step(anchors)
            return torch.cuda.max_memory_allocated()
        except torch.OutOfMemoryError:
            return None
        finally:
            self.optimizer.zero_grad()
            gc.collect()
            torch.cuda.empty_cache()

    def rates(self, config: TrainConfig, seconds: float, warm: int = WARM_STEPS) -> Facts:
        """Return clips_per_sec, data_wait, mfu and more of steps on a stream of the config, or its headspace.

        Counted after `warm` steps, for that many seconds, as the training loop counts.
        """
        device = self.ranks.device
        clips = config.batch_size * (2 if config.data.negatives else 1)
        data, throughput = open_stream(config, self.ranks), Throughput(clips, device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        batches = next_batches(config, data, self.ranks, 1_000_000, throughput)
        facts, began = self._first_steps(batches, config, throughput, warm), time.perf_counter()
        while time.perf_counter() - began < seconds or throughput.steps < warm + LEAST_STEPS:
            self._take(batches, config, throughput)
        self._wait()
        facts |= throughput.rates()
        facts["steps"] = throughput.steps - warm
        if device.type == "cuda":
            facts["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
        batches.close()
        data.close()
        return facts

    def _first_steps(
        self, batches: Iterator[tuple[int, Batch]], config: TrainConfig, throughput: Throughput, warm: int
    ) -> Facts:
        """Take the steps that compile and fill caches; returns their seconds and the work of a step."""
        began = time.perf_counter()
        epoch, batch = next(batches)
        step_rng = StepRng(config.data.seed, epoch, config.batch_size)
        work = step_flops(self.system, batch, step_rng, self.ranks)
        throughput.peak_seconds_per_step = peak_seconds(self.system, batch, step_rng, self.ranks)
        for _ in range(warm):
            self._take(batches, config, throughput)
        self._wait()
        throughput.rates()
        return {"first_steps_sec": round(time.perf_counter() - began, 2), "tflop_per_step": round(work / 1e12, 4)}

    def _take(self, batches: Iterator[tuple[int, Batch]], config: TrainConfig, throughput: Throughput) -> None:
        epoch, batch = next(batches)
        self.step(batch, StepRng(config.data.seed, epoch, config.batch_size, timed=throughput.waiting))
        throughput.steps += 1

    def _wait(self) -> None:
        if self.ranks.device.type == "cuda":
            torch.cuda.synchronize()
