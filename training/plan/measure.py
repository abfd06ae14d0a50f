"""What a training step takes: its work and its memory, by running it on shapes alone."""

from __future__ import annotations

import warnings
from functools import cache

from torch import Tensor

from egocurate.training.config.train_config import TrainConfig
from egocurate.training.monitor.mfu import step_flops
from egocurate.training.plan.fake_gpu import fake_gpu, fake_tensors
from egocurate.training.plan.fake_step import TrainingStep, training_step
from egocurate.training.plan.fit import StepMeasure
from egocurate.training.plan.host_syncs import HostSyncs
from egocurate.training.plan.memory_meter import MemoryMeter

_LINE = (16, 32)  # anchors


def measure_large(config: TrainConfig, anchors: int, *, bf16: bool) -> StepMeasure:
    """Measure a step as `measure_step` does; of many anchors by a line through two steps of fewer.

    A row more takes as much memory each time, but for the similarities of a contrast, which are small; and a search
    for what fits asks for many sizes.
    """
    few, many = _LINE
    if anchors <= many:
        return measure_step(config, anchors, bf16=bf16)
    short, long = (measure_step(config, count, bf16=bf16) for count in _LINE)
    further = (anchors - many) / (many - few)
    batch, activations = (round(more + further * (more - less)) for less, more in zip(short[4:], long[4:], strict=True))
    return long._replace(batch=batch, activations=activations)


@cache
def measure_step(config: TrainConfig, anchors: int, *, bf16: bool) -> StepMeasure:
    """Measure the step of a rank with so many anchors in one go, on a device of shapes."""
    warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")
    device = fake_gpu()
    meter = MemoryMeter(device)
    with fake_tensors(), HostSyncs(device), meter:
        return measured(training_step(config, anchors, device, bf16=bf16), meter)


def measured(step: TrainingStep, meter: MemoryMeter) -> StepMeasure:
    """Run a step under the meter under which it was made."""
    device = step.batch.frames.device
    tensors = {value for value in vars(step.batch).values() if isinstance(value, Tensor) and value.device == device}
    batch = sum(tensor.nbytes for tensor in tensors)
    weights = meter.held - batch
    step.begin_optimizer()
    optimizer = meter.held - batch - weights
    gradients = sum(parameter.nbytes for parameter in step.parameters())
    meter.reset_peak()
    step.run()
    activations = max(0, meter.peak - batch - weights - optimizer - gradients)
    flops = step_flops(step.system, step.batch, step.rng, step.gradient.ranks) / len(step.batch)
    return StepMeasure(flops, weights, optimizer, gradients, batch, activations)
