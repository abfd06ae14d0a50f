"""webdataset: shards in a random order, a shuffle buffer, batches made in the workers; it offers no state."""

from __future__ import annotations

from collections.abc import Iterator

import webdataset

from benchmarks.peers.common import BATCH, SEED, Batch, shown, stacked
from benchmarks.peers.data import Data

PACKAGE = "webdataset"


def build(data: Data) -> None:
    """It reads our tars as they are."""


class Loader:
    """A WebLoader over our shards."""

    def __init__(self, data: Data, workers: int) -> None:
        """Build the pipeline."""
        urls = sorted(str(path) for path in data.shards("train").glob("*.tar"))
        dataset = webdataset.WebDataset(urls, shardshuffle=100, nodesplitter=None, seed=SEED).shuffle(1000)
        dataset = dataset.map(_shown).batched(BATCH, collation_fn=stacked, partial=False)
        self._loader = webdataset.WebLoader(
            dataset, batch_size=None, num_workers=workers, persistent_workers=workers > 0
        )

    def epoch(self) -> Iterator[Batch]:
        """Yield an epoch."""
        yield from self._loader


def _shown(sample: dict) -> tuple:
    return shown(sample["__key__"], sample["mp4"], sample["json"])


def open(data: Data, workers: int) -> Loader:
    """Return the loader."""
    return Loader(data, workers)
