"""The DataLoader of a stream: its workers, and the buffers in which they hand over what they decode."""

import gc
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader

from egocurate.loaders.batch_sampler import BatchPlan
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.mixed_dataset import BatchRequest, MixedDataset
from egocurate.loaders.workers.choose_workers import IN_USE, batch_bytes, batches_ahead
from egocurate.loaders.workers.host import this_rank
from egocurate.loaders.workers.shared_buffers import SharedBuffers


class BatchRequests:
    """The batches of a plan as requests to workers."""

    def __init__(self, plan: BatchPlan, dataset: MixedDataset) -> None:
        """Give each batch one of the dataset's buffers, as long as there are free ones."""
        self._plan, self._dataset = plan, dataset

    def __iter__(self) -> Iterator[BatchRequest]:
        """Begin where the plan stands."""
        for anchors in self._plan:
            yield BatchRequest(None if self._dataset.buffers is None else self._dataset.buffers.reserve(), anchors)


def data_loader(dataset: MixedDataset, plan: BatchPlan, config: StreamConfig, anchors: int) -> DataLoader:
    """Return a DataLoader of batches of so many anchors, whose workers live as long as it does.

    They are forked: they share the index's memory with this process and start in milliseconds, where a fresh process
    would import torch and read the index again. They touch neither CUDA nor Ray, so what those keep is not used there.
    """
    workers, rows = config.workers, anchors * (2 if config.negatives else 1)
    # Clips as stored are of many sizes, and so are their files.
    of_one_size = workers and config.crop == config.decode == "host"
    shape = (rows, config.frames, config.size, config.size, 3)
    ahead = batches_ahead(workers, batch_bytes(config, anchors), this_rank().memory)
    if workers:
        gc.collect()  # what is left of a Ray session here, say, would end the forked worker that frees it
    dataset.buffers = SharedBuffers(workers * ahead + IN_USE, shape) if of_one_size else None
    return DataLoader(
        dataset,
        batch_sampler=BatchRequests(plan, dataset),
        collate_fn=dataset.collate,
        num_workers=workers,
        prefetch_factor=ahead if workers else None,
        persistent_workers=workers > 0,
        multiprocessing_context="fork" if workers else None,
        pin_memory=torch.cuda.is_available(),
        # Of its own, or each epoch would draw from the global generator and a resumed run would differ in its dropout.
        generator=torch.Generator(),
    )
