"""A rank's batches, epoch by epoch, resumable at any step under any number of ranks and workers."""

import itertools
import logging
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch.utils.data import DataLoader

from egocurate.errors import InputError, StoreError
from egocurate.loaders.batch import Batch
from egocurate.loaders.batch_sampler import BatchPlan
from egocurate.loaders.caption_draw import check_swaps
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.decoding.decode_batch import BatchDecoding
from egocurate.loaders.decoding.device_decoder import DeviceDecoder
from egocurate.loaders.decoding.gpu_decoder import gpu_decoder
from egocurate.loaders.mixed_dataset import MixedDataset, check_lexicons
from egocurate.loaders.order.mixture import ORDER_OF_ONE_SET, ORDER_OF_SEVERAL, Mixture, ShardSet, shares
from egocurate.loaders.presets import with_settings
from egocurate.loaders.ranks import rank_and_world
from egocurate.loaders.workers.choose_workers import with_workers
from egocurate.loaders.workers.data_loader import data_loader
from egocurate.loaders.workers.worker_status import StallWatch, worker_lost
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import BadSample
from egocurate.shards.read.shard_cache import ShardCache
from egocurate.shards.video.decode import first_loading

Loaded = tuple[Batch | StoreError | None, list[BadSample]]
"""What the loader gives: a batch, what the store failed with, or None where nothing decodes; and all that is bad."""

_NAMED = 8  # bad samples that an error lists

log = logging.getLogger(__name__)


def stream(
    folder: str | Path | Sequence[str | Path],
    *,
    batch_size: int,
    weights: Sequence[float] | None = None,
    preset: str | None = None,
    config: StreamConfig | None = None,
    rank: int | None = None,
    world: int | None = None,
    **settings: object,
) -> "Stream":
    """Return rank's stream over the shards in a folder or at a URL; batch_size counts the anchors of all ranks.

    Several folders are mixed by weights, or by their numbers of samples (`loaders.order.mixture`): an epoch is one
    pass over the first, `Batch.source` tells them apart.

    A config, or a preset by name (`loaders.presets`; "egovlp" where neither is given), says what the batches hold; any
    of its settings can be changed: `stream(folder, batch_size=512, preset="videomae", workers=8)`. Rank and world are
    those of this process (`loaders.ranks`) unless given. Raises InputError if there are no shards, fewer samples than a
    batch, world does not divide batch_size, or a folder has other numbers of classes than the first.
    """
    if preset is not None and config is not None:
        raise InputError(f"preset {preset!r} and a config were both given: give one of them")
    rank, world = rank_and_world(rank, world)
    config = with_workers(with_settings(config or preset or "egovlp", settings), batch_size // world)
    cache = ShardCache(config.cache_dir, config.cache_bytes) if config.cache_dir is not None else None
    folders = [folder] if isinstance(folder, str) or not isinstance(folder, Sequence) else folder
    indexes = [
        ShardIndex.open(each, cache, config.of_source(number, len(folders)).tags) for number, each in enumerate(folders)
    ]
    return Stream(indexes, batch_size, config, rank=rank, world=world, weights=weights)


class Stream:
    """The batches of one rank; `for batch in stream.epoch(e)` goes on where the stream stands in that epoch.

    `for batch in stream` is that for the epoch in which it stands: each loop that runs to its end is the next epoch.

    The stream stands at an epoch and a step: the number of that epoch's batches which reached the user, whatever was
    read ahead. Its state and the data say everything about what follows.
    """

    def __init__(
        self,
        indexes: Sequence[ShardIndex],
        batch_size: int,
        config: StreamConfig,
        *,
        rank: int,
        world: int,
        weights: Sequence[float] | None = None,
    ) -> None:
        """Begin at the start of epoch 0; `stream` says what the arguments mean."""
        if not indexes:
            raise InputError("no shard folder was given: give at least one")
        check_lexicons(indexes)
        check_swaps(indexes, config.text_negatives)
        self.indexes = list(indexes)
        self.batch_size = batch_size
        self.config = config
        sizes = [len(index) for index in indexes]
        self.weights = shares(sizes if weights is None else weights, len(sizes))
        sets = [ShardSet(index.shard, index.neighbourhood) for index in indexes]
        mixture = Mixture(sets, self.weights, seed=config.seed, global_batch=batch_size)
        self.steps_per_epoch = mixture.pass_steps[0]
        self.bad: dict[int, BadSample] = {}
        """by sample id; those of further folders are counted on from the last of the folder before"""
        self._first_id = list(itertools.accumulate(sizes, initial=0))
        first_loading(config.decoder)  # a decoder that does not load is an error here, not in a worker
        self._plan, self._anchors = BatchPlan(self.indexes, mixture, rank, world), batch_size // world
        self._dataset = MixedDataset(indexes, replace(config, decode="host"))
        self._decoding: BatchDecoding | None = None
        self._on_host_because = "decode=device needs loaders.prefetch(batches, device), which says where: "
        self._watch = StallWatch(self._dataset.status, config.stall_sec)
        # Threads end with the stream, not with its last reference to them, which they hold themselves.
        for end in (self._plan.stop, self._watch.close):
            weakref.finalize(self, end)
        self._loader: DataLoader | None = None
        # What the batches being read come from is the stream's, not theirs: with its last reference the workers end,
        # and batches of a loop that was left may live on.
        self._source: Iterator[Loaded] | None = None
        self._epoch = self._step = 0
        self._resumed = False
        self._release = lambda: None
        self._iteration = 0  # of the batches that may still be read

    @property
    def index(self) -> ShardIndex:
        """The samples of the first folder."""
        return self.indexes[0]

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
        self._iteration += 1
        return EpochBatches(self, self._epoch, self._step, self._iteration)

    def __iter__(self) -> "EpochBatches":
        """Return the rest of the epoch in which the stream stands: after a break or a resume not all of it."""
        return self.epoch(self._epoch)

    def __len__(self) -> int:
        """Return how many batches an epoch has."""
        return self.steps_per_epoch

    def __getitem__(self, place: object) -> NoReturn:
        """Refuse to be taken for a dataset: raises InputError that says how a stream is read."""
        raise InputError(
            "a stream is its own loader, of whole batches, and no dataset: in place of DataLoader(stream) write "
            "`for batch in stream`, and `egocurate.stream(..., workers=4)` for worker processes"
        )

    def seek(self, epoch: int, step: int = 0) -> None:
        """Stand at a step of an epoch; batches being read when this is called are refused from now on."""
        if epoch < 0 or not 0 <= step <= self.steps_per_epoch:
            raise InputError(f"step {step} of epoch {epoch} does not exist: an epoch has {self.steps_per_epoch} steps")
        self._epoch, self._step = divmod(epoch * self.steps_per_epoch + step, self.steps_per_epoch)
        self._resumed = False
        self._iteration += 1

    def state_dict(self) -> dict[str, Any]:
        """Return where the stream stands and what its order depends on: plain numbers and a string."""
        return {"epoch": self._epoch, "step": self._step, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where a state says, reading nothing; InputError for a state of other data, batch size or seed."""
        # States of the first versions do not tell the index, nor the order, which was the one of a single folder.
        state = {"index": self._identity()["index"], "order": ORDER_OF_ONE_SET} | state
        missing = {"epoch", "step", *self._identity()} - state.keys()
        if missing:
            raise InputError(f"the loader's state lacks {', '.join(sorted(missing))}: it is not a state of a stream")
        for name, own in self._identity().items():
            if name == "fingerprint" and state[name] != own:
                self._refuse_grown(state[name])
            if state[name] != own:
                raise InputError(f"the loader's state has {name} {state[name]!r}, the stream {own!r}: {_WAY_OUT[name]}")
        self.seek(int(state["epoch"]), int(state["step"]))
        self._resumed = True

    def decode_on(self, device: torch.device) -> None:
        """Have clips decoded on a device if `decode="device"` asks for it; `loaders.prefetch` calls this.

        What cannot be done there, the host's workers do, and a line says why. From the first batch on it is settled.
        """
        if self.config.decode == "host" or self._decoding is not None or self._loader is not None:
            return
        decoder = gpu_decoder(device, self.indexes)
        if isinstance(decoder, str):
            self._on_host_because = f"decode=device: {decoder}; "
        else:
            self.decode_with(decoder)

    @property
    def decodes_on_device(self) -> bool:
        """Whether clips are decoded in this process, by its device, and not by workers."""
        return self._decoding is not None

    def decode_with(self, decoder: DeviceDecoder) -> None:
        """Have the clips of all batches to come decoded by this, in this process, whatever `decode` is."""
        if self._loader is not None:
            self.close()
        self._dataset.leave_decoding()
        self._decoding = BatchDecoding(decoder, self.indexes, self.config)

    def close(self) -> None:
        """End the worker processes, whoever still holds batches being read: these are refused from now on.

        The next epoch starts new workers.
        """
        self._iteration += 1
        self._loader = self._source = None
        self._release()
        self._plan.stop()
        self._watch.close()

    def lost_worker(self, error: RuntimeError) -> InputError | None:
        """Return one line for what PyTorch raises, anywhere in the main thread, when a worker was killed; else None."""
        return worker_lost(error, self._dataset.status)

    def _identity(self) -> dict[str, Any]:
        return {
            "seed": self.config.seed,
            "batch_size": self.batch_size,
            "fingerprint": "+".join(index.fingerprint for index in self.indexes),
            "index": "+".join(index.index_fingerprint for index in self.indexes),
            "weights": list(self.weights),
            "order": ORDER_OF_ONE_SET if len(self.indexes) == 1 else ORDER_OF_SEVERAL,
        }

    def _refuse_grown(self, fingerprint: str) -> None:
        """Raise InputError if a state is of the same shard folders before some of them have grown."""
        earlier = fingerprint.split("+")
        if len(earlier) != len(self.indexes):
            return
        changed = [(index, was) for index, was in zip(self.indexes, earlier, strict=True) if was != index.fingerprint]
        if all(was in index.earlier_fingerprints for index, was in changed):
            raise InputError(
                f"the shards in {', '.join(str(index.folder) for index, _ in changed)} have grown since the run was "
                "trained on them, and the order of clips is another now: begin a new run from its weights (start=RUN)"
            )

    def _load(self, epoch: int, step: int) -> Iterator[Loaded]:
        self._plan.start(epoch * self.steps_per_epoch + step, (epoch + 1) * self.steps_per_epoch)
        if self._loader is None:
            if self.config.decode == "device" and self._decoding is None:
                _say_once(self._on_host_because + "the host decodes")
            self._loader = data_loader(self._dataset, self._plan, self._dataset_config(), self._anchors)
            # Of garbage that refers to itself, as what an error's traceback holds does, the queues to the workers go
            # first, and a DataLoader then waits five seconds for each worker. Held from here, too, it goes after it.
            self._release = weakref.finalize(self, [self._loader].clear)
            self._release.atexit = False
        return iter(self._loader)

    def _dataset_config(self) -> StreamConfig:
        return replace(self.config, decode="host" if self._decoding is None else "device")

    def _hand(self, epoch: int, step: int, iteration: int) -> None:
        self._check(iteration)
        self._epoch, self._step = divmod(epoch * self.steps_per_epoch + step, self.steps_per_epoch)

    def _check(self, iteration: int) -> None:
        if iteration != self._iteration:
            raise RuntimeError(
                "these batches are out of date: load_state_dict, seek, epoch or close was called after them; "
                "load the state first, then ask for epoch(...) and read that"
            )

    def _note(self, bad: list[BadSample], hopeless: bool) -> InputError | None:
        """Keep what failed, name each once; return the error that names them once they are more than allowed."""
        for sample in bad:
            if self.bad.setdefault(self._first_id[sample.source] + sample.sample, sample) is sample:
                log.warning("bad sample %d of at most %d: %s; replaced", len(self.bad), self.config.max_bad, sample)
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

    def __init__(self, owner: Stream, epoch: int, step: int, iteration: int) -> None:
        """Read from a step of an epoch on, as the owner's iteration of that number."""
        self.epoch = epoch
        self._owner = owner
        self._iteration = iteration
        self._handed = step
        self._has_begun = False

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
        return self.decode(self.pull_encoded())

    def decode_on(self, device: torch.device) -> None:
        """Say where batches go, for the stream to decode there if it may."""
        self._owner.decode_on(device)

    def pull_encoded(self) -> Batch:
        """Return the next batch uncounted, its frames perhaps still to be decoded by `decode`."""
        owner = self._owner
        owner._check(self._iteration)
        try:
            if not self._has_begun:
                owner._source = owner._load(self.epoch, self._handed)
                self._has_begun = True
            with owner._watch.waiting():
                batch, bad = next(owner._source)
        except RuntimeError as error:
            worker_error = owner.lost_worker(error)
            if worker_error is None:
                raise
            owner.close()
            raise worker_error from None
        return self._whole(batch, bad)

    def decode(self, batch: Batch) -> Batch:
        """Return a batch of `pull_encoded` with its frames; raises as `next` does."""
        decoding = self._owner._decoding
        return batch if decoding is None else self._whole(*decoding(batch))

    def _whole(self, batch: Batch | StoreError | None, bad: list[BadSample]) -> Batch:
        owner = self._owner
        error = owner._note(bad, hopeless=batch is None)
        if isinstance(batch, StoreError):
            error = batch
        if error is not None:
            owner.close()
            raise error
        return batch

    def handed(self) -> None:
        """Count one pulled batch as having reached the user."""
        self._owner._hand(self.epoch, self._handed + 1, self._iteration)
        self._handed += 1


@cache
def _say_once(line: str) -> None:
    log.warning(line)


_WAY_OUT = {
    "seed": "resume with the seed of the run",
    "batch_size": "resume with the batch size of the run (any number of ranks that divides it)",
    "fingerprint": "these are other shards than the run was trained on, so its place in them means nothing",
    "index": "other tags, negatives or texts than those of the run: put index.parquet and manifest.json back, or name "
    "the run's tags",
    "weights": "resume with the weights of the run",
    "order": "clips of several folders are drawn by other rules now: begin a new run from its weights (start=RUN)",
}
