"""The items of several shard folders (sets), each marked with the set that it is from."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from torch.utils.data import Dataset

from egocurate.errors import InputError, StoreError
from egocurate.loaders.batch import Batch, Clip
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
        self.sets = [ClipDataset(index, _of_set(config, number, len(indexes))) for number, index in enumerate(indexes)]
        self.status = self.sets[0].status
        labels = list(dict.fromkeys(kind for index in indexes for kind in index.labels))
        for dataset in self.sets:
            dataset.status, dataset.labels = self.status, labels
        self.buffers: SharedBuffers | None = None
        """where workers put frames; without any each batch gets memory of its own"""

    def __len__(self) -> int:
        """Return the number of samples of all sets."""
        return sum(len(dataset) for dataset in self.sets)

    def __getitem__(self, anchor: tuple[int, int, int]) -> Item:
        """Return the item of an anchor; replacements and negatives are of the anchor's own set."""
        source, epoch, sample = anchor
        item = self.sets[source][epoch, sample]
        bad = [replace(one, source=source) for one in item.bad]
        return replace(item, anchor=_marked(item.anchor, source), negative=_marked(item.negative, source), bad=bad)

    def leave_decoding(self) -> None:
        """Give clips as their files from now on, which whoever gets the batches decodes; workers are not there yet."""
        for dataset in self.sets:
            dataset.config = replace(dataset.config, decode="device")

    def __getitems__(self, request: "BatchRequest") -> tuple["BatchRequest", list[Item]]:
        """Return the items of a batch, and what was asked for; none after a failure of the store."""
        items: list[Item] = []
        for anchor in request.anchors:
            items.append(self[anchor])
            if items[-1].failure is not None:
                break  # each further one would ask a dead store for half a minute
        return request, items

    def collate(self, batch: tuple["BatchRequest", list[Item]]) -> tuple[Batch | StoreError | None, list[BadSample]]:
        """Return the batch, or what the store failed with, or None if an item has no anchor; and all that is bad."""
        request, items = batch
        if request.buffer is None or self.buffers is None:
            collated, bad = self.sets[0].collate(items)
            if isinstance(collated, Batch) and collated.encoded is not None:
                collated = replace(collated, encoded=replace(collated.encoded, anchors=request.anchors))
            return collated, bad
        collated, bad = self.sets[0].collate(items, self.buffers.writable(request.buffer))
        if isinstance(collated, Batch):
            collated = replace(collated, frames=self.buffers.reference(request.buffer))
        return collated, bad


def _of_set(config: StreamConfig, number: int, sets: int) -> StreamConfig:
    read = config.of_source(number, sets)
    own = {"texts": (), "tags": (), "folder_captions": (), "text": read.text, "captions": read.captions}
    return replace(config, seed=set_seed(config.seed, number), **own)


class BatchRequest(NamedTuple):
    """What a worker is asked for: a batch by its anchors, and a buffer for its frames if one is free."""

    buffer: int | None
    anchors: list[tuple[int, int, int]]
    """(set, the set's epoch, sample id) of each"""


def check_lexicons(indexes: Sequence[ShardIndex]) -> None:
    """Raise InputError if the classes of two indexes are of different lexicons, by their digests and numbers.

    And if a kind of label that two of them have names other classes in one than in the other.
    """
    for other in indexes[1:]:
        for one in indexes:
            known = one.lexicon and other.lexicon
            counts = [(index.num_verbs, index.num_nouns) for index in (one, other)]
            if counts[0] != counts[1] or (known and one.lexicon != other.lexicon):
                raise InputError(
                    f"{_classes(one)}, {_classes(other)}: their classes mean different things; "
                    "make both with the same --lexicon to mix them, or give them the classes of one with `curate tag`"
                )
            check_same_labels(one, other)


def check_same_labels(one: ShardIndex, other: ShardIndex) -> None:
    """Raise InputError if a label of both, such as action, has other classes in one than in the other."""
    for kind in one.label_names.keys() & other.label_names.keys():
        names = one.label_names[kind], other.label_names[kind]
        if names[0] != names[1]:
            counts = [f"{index.folder} has {len(index.label_names[kind])}" for index in (one, other)]
            raise InputError(
                f"label {kind}: {', '.join(counts)} classes, and a number means another class in each; "
                f"cut one of them with --label-names {one.folder}"
            )


def _classes(index: ShardIndex) -> str:
    lexicon = f" of lexicon {index.lexicon}" if index.lexicon else ""
    return f"{index.folder} has {index.num_verbs} verb and {index.num_nouns} noun classes{lexicon}"


def _marked(clip: Clip | None, source: int) -> Clip | None:
    return clip if clip is None or clip.source == source else replace(clip, source=source)
