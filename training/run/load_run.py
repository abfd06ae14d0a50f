"""A finished or a stopped run as something to use: its system with the weights it has learned."""

from __future__ import annotations

from pathlib import Path

from egocurate.errors import InputError
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.checkpoint_files import read_run_file
from egocurate.training.run.checkpoint_folders import newest_checkpoint
from egocurate.training.run.run_inputs import check_tokenizer
from egocurate.training.systems import System, build_undrawn
from egocurate.training.systems.initial_weights import load_complete


def restore(config: TrainConfig, ranks: Ranks) -> tuple[System, int]:
    """Return the system of a run's config, to evaluate, with the weights of its newest checkpoint, and their step.

    Each rank reads all by itself, whatever number of ranks wrote it. Raises InputError if there is no checkpoint, its
    weights do not fit, or the tokenizer is another than it was trained with.
    """
    run = Path(config.out)
    checkpoint = newest_checkpoint(run)
    if checkpoint is None:
        raise InputError(
            f"{run}: has no checkpoint yet; it gets one each checkpoint_every={config.checkpoint_every} steps"
        )
    check_tokenizer(config)
    system = build_undrawn(config, ranks)  # the tokenizer is the run's: nothing of the data is asked for
    load_complete(system.model, str(checkpoint))
    system.model.eval()
    return system, read_run_file(checkpoint)["step"]
