"""MosaicML Streaming: MDS shards on the local disk, its own shuffle, StreamingDataLoader's state."""

from __future__ import annotations

import shutil

import torch

from benchmarks.peers.common import BATCH, SEED, Stateful, loading, shown
from benchmarks.peers.data import Data
from egocurate.shards.read.index import ShardIndex

# Streaming imports torchvision, whose wheels want CUDA: without it their operators are unknown, though none is used.
_OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
for _name in ("nms", "qnms"):
    _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from streaming import MDSWriter, StreamingDataLoader, StreamingDataset  # noqa: E402
from streaming.base.util import clean_stale_shared_memory  # noqa: E402

PACKAGE = "mosaicml-streaming"
SHARD_BYTES = 1 << 24


def build(data: Data) -> None:
    """Write the clips of the `train` profile as MDS."""
    index, out = ShardIndex.open(data.shards("train")), data.folder / "mosaicml"
    shutil.rmtree(out, ignore_errors=True)
    columns = {"key": "str", "mp4": "bytes", "json": "bytes"}
    with MDSWriter(out=str(out), columns=columns, size_limit=SHARD_BYTES) as writer:
        for i in range(len(index)):
            writer.write({"key": index.key(i), "mp4": index.read_video(i), "json": index.read_json(i)})


class _Clips(StreamingDataset):
    def __getitem__(self, at: int) -> tuple:
        sample = super().__getitem__(at)
        return shown(sample["key"], sample["mp4"], sample["json"])


def open(data: Data, workers: int) -> Stateful:
    """Return a StreamingDataLoader over the copy."""
    clean_stale_shared_memory()
    dataset = _Clips(local=str(data.folder / "mosaicml"), shuffle=True, shuffle_seed=SEED, batch_size=BATCH)
    return Stateful(StreamingDataLoader(dataset, **loading(workers)))
