"""How a batch fits on a GPU, found in a process of its own: the device of shapes concerns a whole process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from egocurate.training.config.train_config import TrainConfig
from egocurate.training.monitor.gpu_specs import Gpu
from egocurate.training.plan.fit import USABLE, Fit, find_fit
from egocurate.workers.local import LocalWorkers

_LOOK_SEC = 60.0  # between two looks at whether the process has ended


def fit_apart(config: TrainConfig, gpus: int, kinds: Sequence[Gpu]) -> list[Fit]:
    """Return how a config's batch fits on so many of each kind of GPU; InputError for sizes that cannot be built."""
    with LocalWorkers(1) as workers:
        workers.submit("fit", _fit_here, config, gpus, kinds)
        ended = []
        while not ended:
            ended = workers.wait(_LOOK_SEC)
    if ended[0].error is not None:
        raise ended[0].error
    return ended[0].value


def _fit_here(config: TrainConfig, gpus: int, kinds: Sequence[Gpu]) -> list[Fit]:
    # Here, because the process that asks has no need of torch.
    from egocurate.training.plan.measure import measure_large
    from egocurate.training.systems import SYSTEMS

    splits_by = SYSTEMS[config.system].splits_by
    return [
        find_fit(
            config,
            gpus,
            USABLE * gpu.memory_gib * 2**30,
            splits_by,
            partial(measure_large, bf16=gpu.bf16 and config.precision != "fp32"),
        )
        for gpu in kinds
    ]
