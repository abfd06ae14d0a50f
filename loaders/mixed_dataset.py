"""The items of several shard sets, each marked with the set it is from."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from torch.utils.data import Dataset

from egocurate.errors import InputError, StoreError
from egocurate.loaders.batch import Batch, Clip
from egocurate.loaders.batch_sampler import BatchPlan
from egocurate.loaders.clip_dataset import ClipDataset, Item
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.order.mixture import set_seed
from egocurate.loaders.workers.shared_buffers import SharedBuffers
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import BadSample


class MixedDataset(Dataset):
    """Items by (set, the set's epoch, sample id); a set draws frames, views and negatives with a seed of its own."""

    def __init__(self, indexes: Sequence[ShardIndex], config: StreamConfig) -> None:
        """Show the samples of each index as the config says."""
        self.sets = [
            ClipDataset(index, replace(config, seed=set_seed(config.seed, number)))
            for number, index in enumerate(indexes)
        ]
        self.board = self.sets[0].board
        for each in self.sets:
            each.board = self.board
        self.slots: SharedBuffers | None = None
        """where workers put frames; without any each batch gets memory of its own"""

    def __len__(self) -> int:
        """Return the number of samples of all sets."""
        return sum(len(each) for each in self.sets)

    def __getitem__(self, where: tuple[int, int, int]) -> Item:
        """Return the item of an anchor; replacements and negatives are of the anchor's own set."""
        source, epoch, sample = where
        item = self.sets[source][epoch, sample]
        bad = [replace(each, source=source) for each in item.bad]
        return replace(item, anchor=_marked(item.anchor, source), negative=_marked(item.negative, source), bad=bad)

    def __getitems__(self, order: "Order") -> tuple[int | None, list[Item]]:
        """Return the items of a batch, and the place that its frames are for."""
        return order.slot, [self[where] for where in order.places]

    def collate(self, found: tuple[int | None, list[Item]]) -> tuple[Batch | StoreError | None, list[BadSample]]:
        """Return the batch, or what the store failed with, or None if an item has no anchor; and all that is bad."""
        slot, items = found
        if slot is None or self.slots is None:
            return self.sets[0].collate(items)
        batch, bad = self.sets[0].collate(items, self.slots.open(slot))
        if isinstance(batch, Batch):
            batch = replace(batch, frames=self.slots.crossing(slot))
        return batch, bad


class Order(NamedTuple):
    """What a worker is asked for: where a batch's anchors are, and a place for their frames if one is free."""

    slot: int | None
    places: list[tuple[int, int, int]]


class Orders:
    """A plan's batches as orders."""

    def __init__(self, plan: BatchPlan, dataset: MixedDataset) -> None:
        """Give each batch a place among the dataset's, as long as there are free ones."""
        self._plan, self._dataset = plan, dataset

    def __iter__(self) -> Iterator[Order]:
        """Begin where the plan stands."""
        for places in self._plan:
            yield Order(None if self._dataset.slots is None else self._dataset.slots.take(), places)


def check_lexicons(indexes: Sequence[ShardIndex]) -> None:
    """Raise InputError if the classes of two indexes are of different lexicons, by their digests and numbers."""
    for other in indexes[1:]:
        for one in indexes:
            known = one.lexicon and other.lexicon
            counts = [(index.num_verbs, index.num_nouns) for index in (one, other)]
            if counts[0] != counts[1] or (known and one.lexicon != other.lexicon):
                raise InputError(
                    f"{_classes(one)}, {_classes(other)}: their classes mean different things; "
                    "make both with the same --lexicon to mix them"
                )


def _classes(index: ShardIndex) -> str:
    lexicon = f" of lexicon {index.lexicon}" if index.lexicon else ""
    return f"{index.folder} has {index.num_verbs} verb and {index.num_nouns} noun classes{lexicon}"


def _marked(clip: Clip | None, source: int) -> Clip | None:
    return clip if clip is None or clip.source == source else replace(clip, source=source)
