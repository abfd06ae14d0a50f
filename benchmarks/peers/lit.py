"""LitData: its own chunks on the local disk, StreamingDataset with shuffle, StreamingDataLoader's state."""

from __future__ import annotations

import shutil
from functools import partial

from litdata import StreamingDataLoader, StreamingDataset, optimize

from benchmarks.peers.common import SEED, Stateful, loading, shown
from benchmarks.peers.data import Data
from egocurate.shards.read.index import ShardIndex

PACKAGE = "litdata"


def build(data: Data) -> None:
    """Write the clips of the `train` profile as LitData's chunks."""
    index, out = ShardIndex.open(data.shards("train")), data.folder / "litdata"
    shutil.rmtree(out, ignore_errors=True)
    optimize(
        fn=partial(_sample, index),
        inputs=list(range(len(index))),
        output_dir=str(out),
        chunk_bytes="16MB",
        num_workers=1,
    )


def _sample(index: ShardIndex, i: int) -> dict:
    return {"key": index.key(i), "mp4": index.read_video(i), "json": index.read_json(i)}


class _Clips(StreamingDataset):
    def __getitem__(self, at: object) -> tuple:
        sample = super().__getitem__(at)
        return shown(sample["key"], sample["mp4"], sample["json"])


def open(data: Data, workers: int) -> Stateful:
    """Return a StreamingDataLoader over the copy."""
    dataset = _Clips(str(data.folder / "litdata"), shuffle=True, drop_last=True, seed=SEED)
    return Stateful(StreamingDataLoader(dataset, **loading(workers)))
