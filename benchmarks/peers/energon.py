"""Megatron-Energon: our tars with its own index, a task encoder whose seeds it restores, the savable loader."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator

from megatron.energon import (
    Cooker,
    DefaultTaskEncoder,
    WorkerConfig,
    get_savable_loader,
    get_train_dataset,
    stateless,
)

from benchmarks.peers.common import BATCH, Batch, shown, stacked
from benchmarks.peers.data import Data

PACKAGE = "megatron-energon"


def build(data: Data) -> None:
    """Copy the shards of the `train` profile and let Energon prepare them."""
    out = data.folder / "energon"
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(data.shards("train"), out)
    prepare = ["prepare", "--non-interactive", "--split-ratio", "1,0,0", "--sample-type", "CrudeWebdataset"]
    command = [sys.executable, "-m", "megatron.energon.cli.main", *prepare, "--num-workers", "1", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@stateless
def _as_it_is(sample: dict) -> dict:
    return sample


class _Encoder(DefaultTaskEncoder):
    cookers = (Cooker(_as_it_is),)
    decoder = None

    @stateless(restore_seeds=True)
    def encode_sample(self, sample: dict) -> tuple:
        return shown(sample["__key__"], sample["mp4"], sample["json"])

    @stateless
    def batch(self, samples: list) -> tuple:
        return stacked(samples)


class Loader:
    """A savable loader over the prepared copy: without end, as it recommends for training."""

    def __init__(self, data: Data, workers: int) -> None:
        """Open the copy."""
        dataset = get_train_dataset(
            str(data.folder / "energon"),
            worker_config=WorkerConfig(rank=0, world_size=1, num_workers=workers),
            batch_size=BATCH,
            shuffle_buffer_size=100,
            max_samples_per_sequence=100,
            task_encoder=_Encoder(),
        )
        self._loader = get_savable_loader(dataset)

    def epoch(self) -> Iterator[Batch]:
        """Yield batches."""
        yield from self._loader

    def state(self) -> object:
        """Return the rank's state."""
        return self._loader.save_state_rank()

    def load(self, state: object) -> None:
        """Go on from a state."""
        self._loader.restore_state_rank(state)


def open(data: Data, workers: int) -> Loader:
    """Return the loader."""
    return Loader(data, workers)
