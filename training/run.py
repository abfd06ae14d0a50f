"""What surrounds a training loop: ranks and devices, pace, log, checkpoints, the folder of the run."""

from __future__ import annotations

import csv
import gc
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.utils.tensorboard import SummaryWriter

from loaders import InputError
from training.config import MAY_CHANGE, TrainConfig

RECIPE = "recipe.json"


@dataclass(frozen=True)
class World:
    """This process among all: its rank, how many there are, its device, and whether the towers run in bf16."""

    rank: int
    size: int
    device: torch.device
    bf16: bool

    @property
    def main(self) -> bool:
        """Whether this is the rank that writes and speaks."""
        return self.rank == 0

    def autocast(self) -> torch.autocast:
        """Return the precision of the towers."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def barrier(self) -> None:
        """Wait for the others."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def open_world(config: TrainConfig) -> Iterator[World]:
    """Join the other ranks if torchrun started this process; raises InputError for a GPU that is not there."""
    cuda = config.device != "cpu" and torch.cuda.is_available()
    if config.device == "cuda" and not cuda:
        raise InputError("device is cuda, but torch sees no GPU: take --set device=cpu, or a torch built for CUDA")
    local = os.environ.get("LOCAL_RANK")  # torchrun's way to tell
    device = torch.device("cuda", int(local or 0)) if cuda else torch.device("cpu")
    bf16 = config.precision == "bf16" or (config.precision == "auto" and cuda)
    if cuda:
        torch.cuda.set_device(device)
    if local is None:
        if not cuda:  # threads that wait for each other's turn on a core cost more than they bring
            torch.set_num_threads(max(1, (os.cpu_count() or 1) - config.workers))
        yield World(0, 1, device, bf16)
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size(), device, bf16)
        dist.barrier()
    finally:
        gc.collect()  # the data-parallel wrapper is in a cycle and holds the group: freed after it, gloo may abort
        dist.destroy_process_group()


def find_run(config: TrainConfig, resume: bool) -> Path | None:
    """Return the newest checkpoint in the folder OUT, None if there is none to go on from.

    Raises InputError if OUT holds a run and this is no resume, or a resume with other settings.
    """
    if not config.out:
        raise InputError("a run needs a folder: --out OUT")
    out = Path(config.out)
    if not (out / RECIPE).exists():
        return None
    if not resume:
        raise InputError(f"{out} holds a run already: add --resume to go on with it, or name another folder")
    old, new = _flat(json.loads((out / RECIPE).read_text())), _flat(json.loads(json.dumps(asdict(config))))
    keys = [key for key in new if key not in MAY_CHANGE and old.get(key) != new[key]]
    if keys:
        named = ", ".join(f"{key} ({old.get(key)} -> {new[key]})" for key in keys)
        raise InputError(f"{out} holds a run with other settings: {named}; repeat them, or name another folder")
    return max((out / "checkpoints").glob("step-*"), default=None)


def claim_run(config: TrainConfig, world: World) -> None:
    """Make OUT the folder of this run; every rank calls this once nothing can be wrong with what was given."""
    world.barrier()  # all have looked before one writes
    if world.main:
        Path(config.out).mkdir(parents=True, exist_ok=True)
        write_json(Path(config.out) / RECIPE, asdict(config))


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in config.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a file that is whole or not there."""
    writing = path.with_name(f".{path.name}.writing")
    with writing.open("w") as file:
        json.dump(value, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    writing.rename(path)


class Checkpoints:
    """The folders OUT/checkpoints/step-N, each with model, optimiser (torch's distributed format) and run.json.

    run.json has the step, the stream's state and EgoMCQ before training. Random numbers need no place: those of the
    data and of dropout are functions of seed and step.
    """

    def __init__(self, config: TrainConfig, world: World, model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Keep these parts."""
        self.folder, self.keep = Path(config.out) / "checkpoints", config.keep_checkpoints
        self.world, self.model, self.optimiser = world, model, optimiser

    def save(self, step: int, rest: dict[str, Any]) -> None:
        """Write a checkpoint under another name and rename it when it is whole; every rank calls this."""
        whole, writing = self.folder / f"step-{step:08d}", self.folder / "writing"
        if self.world.main:
            shutil.rmtree(writing, ignore_errors=True)
            writing.mkdir(parents=True)
        self.world.barrier()
        model, optimiser = get_state_dict(self.model, self.optimiser)
        parts = {"model": model, "optimiser": optimiser}
        with _alone_on_purpose():
            dcp.save(parts, checkpoint_id=writing, no_dist=self.world.size == 1)
        if self.world.main:
            write_json(writing / "run.json", {"step": step, **rest})
            writing.rename(whole)
            for old in sorted(self.folder.glob("step-*"))[: -self.keep]:
                shutil.rmtree(old)
        self.world.barrier()

    def load(self, checkpoint: Path) -> dict[str, Any]:
        """Bring model and optimiser to where a checkpoint stands; returns its run.json."""
        model, optimiser = get_state_dict(self.model, self.optimiser)
        parts = {"model": model, "optimiser": optimiser}
        with _alone_on_purpose():
            dcp.load(parts, checkpoint_id=checkpoint, no_dist=self.world.size == 1)
        set_state_dict(self.model, self.optimiser, model_state_dict=parts["model"], optim_state_dict=parts["optimiser"])
        return json.loads((checkpoint / "run.json").read_text())


@contextmanager
def _alone_on_purpose() -> Iterator[None]:
    """Keep torch from warning that one process saves alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


class Pace:
    """Clips per second and the share of time spent waiting for data; what is spent aside does not count."""

    def __init__(self, clips_per_step: int) -> None:
        """Start the clock."""
        self.clips_per_step, self.steps, self.spent = clips_per_step, 0, {"waiting": 0.0, "aside": 0.0}
        self._started, self._mark = time.perf_counter(), (0, 0.0, 0.0)

    @contextmanager
    def spend(self, on: Literal["waiting", "aside"]) -> Iterator[None]:
        """Count the time of a block."""
        began = time.perf_counter()
        yield
        self.spent[on] += time.perf_counter() - began

    def lap(self) -> dict[str, float]:
        """Return clips_per_sec and data_wait (0..1) since the last lap."""
        now = (self.steps, self._seconds(), self.spent["waiting"])
        steps, seconds, waiting = (new - old for new, old in zip(now, self._mark, strict=True))
        self._mark = now
        return {"clips_per_sec": steps * self.clips_per_step / seconds, "data_wait": waiting / seconds}

    def clips_per_sec(self) -> float:
        """Return the mean over all steps."""
        return self.steps * self.clips_per_step / self._seconds()

    def _seconds(self) -> float:
        return time.perf_counter() - self._started - self.spent["aside"]


class Log:
    """Lines for people, metrics.csv and TensorBoard; rows beyond the step that a run goes on from are dropped."""

    COLUMNS = ("step", "loss", "lr", "clips_per_sec", "data_wait", "mcq_inter", "mcq_intra")

    def __init__(self, out: Path, step: int, say: Callable[[str], None]) -> None:
        """Open the files of a run that goes on from a step; -1 is a new one."""
        path, kept = out / "metrics.csv", []
        if path.exists():
            with path.open(newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
        self.say, self._file = say, path.open("w", newline="")
        self._table = csv.DictWriter(self._file, self.COLUMNS)
        self._table.writeheader()
        self._table.writerows(kept)
        self._board = SummaryWriter(out / "tensorboard", purge_step=step + 1)

    def progress(self, step: int, total: int, row: dict[str, float]) -> None:
        """Note a row of loss, lr, clips_per_sec, data_wait."""
        self._row(step, row)
        line = "step {}/{}  loss {loss:.4f}  lr {lr:.2e}  {clips_per_sec:.0f} clips/s  data wait {data_wait:.0%}"
        self.say(line.format(step, total, **row))

    def answers(self, step: int, accuracy: dict[str, float]) -> None:
        """Note EgoMCQ accuracy by type, if there are questions."""
        if accuracy:
            self._row(step, {f"mcq_{name}": value for name, value in accuracy.items()})
            self.say(f"step {step}  EgoMCQ " + ", ".join(f"{name} {value:.1f} %" for name, value in accuracy.items()))

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        self._board.close()

    def _row(self, step: int, row: dict[str, float]) -> None:
        self._table.writerow({"step": step, **row})
        self._file.flush()
        for name, value in row.items():
            self._board.add_scalar(name, value, step)
