"""A rank's batches, epoch by epoch, resumable at any step under any number of ranks and workers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from loaders.collate import Batch
from loaders.config import StreamConfig
from loaders.dataset import BadSample, ClipDataset
from loaders.decode import first_loading
from loaders.order import epoch_order, rank_slice, steps_per_epoch
from shards.errors import InputError
from shards.index import ShardIndex

__all__ = ["Batch", "EpochBatches", "Stream", "StreamConfig", "stream"]

_NAMED = 8  # bad samples that an error lists


def stream(
    folder: str | Path, *, batch_size: int, config: StreamConfig | None = None, rank: int = 0, world: int = 1
) -> "Stream":
    """Return rank's stream over the shards in a folder; batch_size counts the anchors of all ranks.

    Raises InputError if there are no shards, fewer samples than a batch, or world does not divide batch_size.
    """
    return Stream(ShardIndex.open(folder), batch_size, config or StreamConfig(), rank=rank, world=world)


class Stream:
    """The batches of one rank; `for batch in stream.epoch(e)` goes on where the stream stands in that epoch.

    The stream stands at an epoch and a step: the number of that epoch's batches which reached the user, whatever was
    read ahead. Its state and the data say everything about what follows.
    """

    def __init__(self, index: ShardIndex, batch_size: int, config: StreamConfig, *, rank: int, world: int) -> None:
        """Stand at the start of epoch 0."""
        self.index = index
        self.batch_size = batch_size
        self.config = config
        self.steps_per_epoch = steps_per_epoch(len(index), batch_size)
        self.bad: dict[int, BadSample] = {}
        first_loading(config.decoder)  # one that does not load fails here, not in a worker
        self._plan = _Plan(index, batch_size, config.seed, rank, world)
        self._loader: DataLoader | None = None
        self._epoch = self._step = 0
        self._resumed = False
        # A number, not the batches themselves: they hold the stream, and a DataLoader that only the garbage collector
        # can free waits five seconds for each worker.
        self._reading = 0

    def epoch(self, epoch: int) -> "EpochBatches":
        """Return the rest of an epoch's batches: all of them, unless the stream stands inside that epoch.

        Raises RuntimeError where going to that epoch would skip or repeat data unasked: the stream stands inside
        another epoch, or a state was loaded that stands at another one. `seek` says that this is meant.
        """
        if epoch != self._epoch:
            if self._step or self._resumed:
                raise RuntimeError(
                    f"epoch({epoch}) was asked for, but the stream stands at step {self._step} of epoch {self._epoch}: "
                    f"go on with epoch({self._epoch}), or call seek({epoch}) first"
                )
            self._epoch = epoch
        self._resumed = False
        self._reading += 1
        return EpochBatches(self, self._epoch, self._step, self._reading)

    def seek(self, epoch: int, step: int = 0) -> None:
        """Stand at a step of an epoch; batches being read when this is called are refused from now on."""
        if epoch < 0 or not 0 <= step <= self.steps_per_epoch:
            raise InputError(f"step {step} of epoch {epoch} does not exist: an epoch has {self.steps_per_epoch} steps")
        self._epoch, self._step = divmod(epoch * self.steps_per_epoch + step, self.steps_per_epoch)
        self._resumed = False
        self._reading += 1

    def state_dict(self) -> dict[str, Any]:
        """Return where the stream stands and what its order depends on: plain numbers and a string."""
        return {"epoch": self._epoch, "step": self._step, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where a state says, reading nothing; InputError for a state of other data, batch size or seed."""
        missing = {"epoch", "step", *self._identity()} - state.keys()
        if missing:
            raise InputError(f"the loader's state lacks {', '.join(sorted(missing))}: it is not a state of a stream")
        for name, own in self._identity().items():
            if state[name] != own:
                raise InputError(f"the loader's state has {name} {state[name]!r}, the stream {own!r}: {_WAY_OUT[name]}")
        self.seek(int(state["epoch"]), int(state["step"]))
        self._resumed = True

    def close(self) -> None:
        """End the worker processes; batches being read are refused from now on, the next epoch starts new workers."""
        self._reading += 1
        self._loader = None

    def _identity(self) -> dict[str, Any]:
        return {
            "seed": self.config.seed,
            "batch_size": self.batch_size,
            "fingerprint": self.index.fingerprint,
        }

    def _load(self, epoch: int, step: int) -> Iterator[tuple[Batch | None, list[BadSample]]]:
        self._plan.start(epoch, step)
        if self._loader is None:
            self._loader = _loader(ClipDataset(self.index, self.config), self._plan, self.config.workers)
        return iter(self._loader)

    def _hand(self, epoch: int, step: int, reading: int) -> None:
        self._check(reading)
        self._epoch, self._step = divmod(epoch * self.steps_per_epoch + step, self.steps_per_epoch)

    def _check(self, reading: int) -> None:
        if reading != self._reading:
            raise RuntimeError(
                "these batches are out of date: load_state_dict, seek or epoch was called after them; "
                "load the state first, then ask for epoch(...) and read that"
            )

    def _note(self, bad: list[BadSample], hopeless: bool) -> InputError | None:
        """Keep what failed; return the error that names it once it is more than the config allows."""
        self.bad |= {sample.sample: sample for sample in bad}
        if not hopeless and len(self.bad) <= self.config.max_bad:
            return None
        names = "; ".join(str(sample) for sample in list(self.bad.values())[:_NAMED])
        more = f"; and {len(self.bad) - _NAMED} more" if len(self.bad) > _NAMED else ""
        return InputError(
            f"{len(self.bad)} samples do not decode, max_bad is {self.config.max_bad}: {names}{more}; "
            "run `curate verify` on the shards, or raise max_bad"
        )


class EpochBatches(Iterator[Batch]):
    """The rest of an epoch of a stream; `prefetch` reads it ahead without moving the stream's step."""

    def __init__(self, owner: Stream, epoch: int, step: int, reading: int) -> None:
        """Read from a step of an epoch on, as the owner's reading of that number."""
        self.epoch = epoch
        self._owner = owner
        self._reading = reading
        self._handed = step
        self._source: Iterator[tuple[Batch | None, list[BadSample]]] | None = None

    def __len__(self) -> int:
        """Return how many batches are left."""
        return self._owner.steps_per_epoch - self._handed

    def __next__(self) -> Batch:
        """Return the next batch, counted; raises InputError past max_bad, RuntimeError if the stream was moved."""
        batch = self.pull()
        self.handed()
        return batch

    def pull(self) -> Batch:
        """Return the next batch uncounted; see `loaders.device.Counted`."""
        self._owner._check(self._reading)
        if self._source is None:
            self._source = self._owner._load(self.epoch, self._handed)
        batch, bad = next(self._source)
        error = self._owner._note(bad, hopeless=batch is None)
        if error is not None:
            self._source = None
            self._owner.close()
            raise error
        return batch

    def handed(self) -> None:
        """Count one pulled batch as having reached the user."""
        self._owner._hand(self.epoch, self._handed + 1, self._reading)
        self._handed += 1


class _Plan:
    """The DataLoader's batch sampler: this rank's (epoch, sample) pairs, batch by batch, of one epoch at a time."""

    def __init__(self, index: ShardIndex, batch_size: int, seed: int, rank: int, world: int) -> None:
        self._index, self._batch_size, self._seed, self._rank, self._world = index, batch_size, seed, rank, world
        rank_slice(np.empty(batch_size), rank, world)  # an impossible rank fails here, not at the first batch
        self._epoch = self._step = 0

    def start(self, epoch: int, step: int) -> None:
        self._epoch, self._step = epoch, step

    def __len__(self) -> int:
        return steps_per_epoch(len(self._index), self._batch_size) - self._step

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        index, epoch = self._index, self._epoch
        order = epoch_order(
            index.shard, index.neighbourhood, seed=self._seed, epoch=epoch, global_batch=self._batch_size
        )
        for anchors in rank_slice(order[self._step :], self._rank, self._world):
            yield [(epoch, sample) for sample in anchors.tolist()]


def _loader(dataset: ClipDataset, plan: _Plan, workers: int) -> DataLoader:
    """Return a DataLoader whose workers live as long as it does.

    They are forked: they share the index's memory with this process and start in milliseconds, where a fresh process
    would import torch and read the index again. They touch neither CUDA nor Ray, so what those keep is not used there.
    """
    return DataLoader(
        dataset,
        batch_sampler=plan,
        collate_fn=dataset.collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="fork" if workers else None,
        pin_memory=torch.cuda.is_available(),
        # Of its own, or each epoch would draw from the global generator and a resumed run would differ in its dropout.
        generator=torch.Generator(),
    )


_WAY_OUT = {
    "seed": "resume with the seed of the run",
    "batch_size": "resume with the batch size of the run (any number of ranks that divides it)",
    "fingerprint": "these are other shards than the run was trained on, so its place in them means nothing",
}
