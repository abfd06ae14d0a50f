"""Checkpoints of a run, each whole or not there, written while training goes on."""

from __future__ import annotations

import shutil
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

from egocurate.errors import InputError
from egocurate.storage.atomic import write_json
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.checkpoint_files import (
    RUN_FILE,
    PlainValuesPlanner,
    TensorsReader,
    as_data,
    cause,
    changed_file,
    raise_if_changed,
    read_run_file,
    write_digests,
)
from egocurate.training.run.checkpoint_folders import checkpoint_folder

warnings.filterwarnings("ignore", message="torch.distributed is disabled")  # one process saves alone on purpose


class Checkpoints:
    """The folders OUT/checkpoints/step-N: model and optimizer in torch's distributed format, run.json, digests of all.

    run.json has the step, the stream's state and EgoMCQ before training. Random numbers need no place: those of the
    data and of dropout are functions of seed and step.

    A copy in host memory is written by a thread while training goes on, into a folder of another name that is renamed
    when all ranks have written all of it. One is being written at most.
    """

    def __init__(self, config: TrainConfig, ranks: Ranks, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Keep these parts; every rank calls this."""
        self.folder, self.keep = Path(config.out) / "checkpoints", config.keep_checkpoints
        self.ranks, self.model, self.optimizer = ranks, model, optimizer
        # Ranks that write talk to each other while those that train do: in a group of their own, or they would mix.
        self._group = dist.new_group(backend="gloo") if ranks.size > 1 else None
        self._renaming = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None
        self._step = 0
        ranks.ends.callback(self._close)

    def save(self, step: int, rest: dict[str, Any]) -> None:
        """Begin to write a checkpoint; every rank calls this. Raises InputError as `finish` does."""
        self.finish()
        writing, failed = self.folder / "writing", None
        if self.ranks.main:
            try:
                shutil.rmtree(writing, ignore_errors=True)
                writing.mkdir(parents=True)
                write_json(writing / RUN_FILE, {"step": step, **rest})
            except OSError as error:
                failed = error
        self._raise_everywhere(failed, step)
        written = dcp.async_save(self._parts(), checkpoint_id=writing, **self._ranks())
        self._step, self._writing = step, self._renaming.submit(self._rename, written, step)

    def finish(self) -> None:
        """Wait until the last checkpoint is whole; every rank calls this. Raises InputError if it could not be written.

        All ranks raise then, whichever of them could not write.
        """
        if self._writing is not None:
            failed, self._writing = self._writing.exception(), None
            self._raise_everywhere(failed, self._step)

    def load(self, checkpoint: Path) -> dict[str, Any]:
        """Bring model and optimizer to where a checkpoint stands; returns its run.json. Every rank calls this.

        Raises InputError for files that are not what was written, or hold anything but tensors and plain values.
        """
        changed = changed_file(checkpoint, self.ranks.rank, self.ranks.size)  # each rank reads its part of the files
        raise_if_changed(checkpoint, self._first_of_ranks(changed))
        parts, rest = self._parts(), read_run_file(checkpoint)
        with as_data(checkpoint):
            dcp.load(parts, storage_reader=TensorsReader(checkpoint), planner=PlainValuesPlanner(), **self._ranks())
        set_state_dict(self.model, self.optimizer, model_state_dict=parts["model"], optim_state_dict=parts["optimizer"])
        return rest

    def _parts(self) -> dict[str, Any]:
        model, optimizer = get_state_dict(self.model, self.optimizer)
        return {"model": model, "optimizer": optimizer}

    def _ranks(self) -> dict[str, Any]:
        return {"no_dist": True} if self._group is None else {"process_group": self._group}

    def _rename(self, written: Future[Any], step: int) -> None:
        """Give a folder its name once it is whole, and remove old ones; in a thread, on every rank."""
        written.result()  # the first rank's comes after every rank's files and the list of what is in them
        if self.ranks.main:
            write_digests(self.folder / "writing")
            (self.folder / "writing").rename(checkpoint_folder(self.folder.parent, step))
            for old in sorted(self.folder.glob("step-*"))[: -self.keep]:
                # Under another name first: half of a checkpoint is never called one.
                shutil.rmtree(self.folder / "removing", ignore_errors=True)
                shutil.rmtree(old.rename(self.folder / "removing"), ignore_errors=True)

    def _raise_everywhere(self, failed: BaseException | None, step: int) -> None:
        """Raise InputError on all ranks if one of them failed; all wait for each other here."""
        said = self._first_of_ranks(None if failed is None else cause(failed))
        if said is not None:
            raise InputError(
                f"the checkpoint of step {step} could not be written to {self.folder}: {said}; make room there, then "
                "--resume goes on from the one before"
            )

    def _first_of_ranks(self, said: str | None) -> str | None:
        """Return what the first rank that says anything says; all wait for each other here."""
        if self._group is None:
            return said
        of_ranks: list[str | None] = [None] * self.ranks.size
        dist.all_gather_object(of_ranks, said, group=self._group)
        return next(filter(None, of_ranks), None)

    def _close(self) -> None:
        """Let what is being written come to its end, however the run ended."""
        self._renaming.shutdown(wait=True)
