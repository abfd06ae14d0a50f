"""One anchor of one epoch, with its negative: fetch, decode, crop. A function of (seed, epoch, sample id) alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from egocurate.errors import StoreError
from egocurate.loaders.batch import Batch, Clip, collate
from egocurate.loaders.caption_draw import draw_caption, draw_swaps
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.crops import crop_and_resize, random_view
from egocurate.loaders.decode_clip import read_clip
from egocurate.loaders.frame_sampling import frame_sampler
from egocurate.loaders.order.counter_rng import Purpose, below, generator, permutation
from egocurate.loaders.workers.worker_status import WorkerStatus
from egocurate.shards.read.caption_columns import Caption
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_encoded import read_encoded
from egocurate.shards.read.read_frames import BadSample
from egocurate.shards.read.sample import Sample
from egocurate.text_choices import FIRST


@dataclass(frozen=True)
class Item:
    """An anchor, its negative if it has one, and what failed on the way; no anchor if nothing decoded.

    `failure` is the store's, if it did not answer: a value, as raised in a worker it would arrive as a traceback.
    """

    anchor: Clip | None
    negative: Clip | None
    bad: list[BadSample]
    failure: StoreError | None = None


def same_shard_first(negatives: np.ndarray, shard: np.ndarray, anchor: int) -> np.ndarray:
    """Return the negatives that lie in the anchor's own shard, which is being read anyway, or all if none does."""
    near = negatives[shard[negatives] == shard[anchor]]
    return near if len(near) else negatives


class ClipDataset(Dataset):
    """Items by (epoch, sample id): a worker process needs no notion of the present epoch."""

    def __init__(self, index: ShardIndex, config: StreamConfig) -> None:
        """Show the index's samples as the config says."""
        self.index = index
        self.config = config
        self.status = WorkerStatus(config.workers)
        self.labels = list(index.labels)
        """kinds of labels that its batches have"""
        self._known_bad: dict[int, BadSample] = {}  # by this process: read once, not again in each epoch

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.index)

    def __getitem__(self, anchor: tuple[int, int]) -> Item:
        """Return the item of an anchor, (epoch, sample id).

        A sample that fails is replaced by others that its own generator draws. The replacement is shown as it would be
        in its own place of this epoch. After max_bad replacements the item has no anchor.
        """
        bad: list[BadSample] = []
        try:
            return self._item(*anchor, bad)
        except StoreError as error:
            return Item(None, None, bad, error)
        finally:
            self.status.clear()

    def _item(self, epoch: int, sample: int, bad: list[BadSample]) -> Item:
        for candidate in self._with_replacements(epoch, sample):
            anchor = self._clip(epoch, candidate, self._rng(epoch, Purpose.VIEW, candidate), bad)
            if anchor is not None:
                negative = self._negative(epoch, candidate, bad) if self.config.negatives else None
                return Item(anchor, negative, bad)
        return Item(None, None, bad)

    def collate(
        self, items: list[Item], into: torch.Tensor | None = None
    ) -> tuple[Batch | StoreError | None, list[BadSample]]:
        """Return the batch, or what the store failed with, or None if an item has no anchor; and all that is bad.

        into: as for `loaders.batch.collate`.
        """
        bad = [sample for item in items for sample in item.bad]
        for item in items:
            if item.failure is not None:
                return item.failure, bad
        anchors = [item.anchor for item in items if item.anchor is not None]
        if len(anchors) < len(items):
            return None, bad
        negatives = [item.negative for item in items] if self.config.negatives else None
        return collate(anchors, negatives, self.index.num_verbs, self.index.num_nouns, into, self.labels), bad

    def _with_replacements(self, epoch: int, sample: int) -> Iterator[int]:
        yield sample
        rng = self._rng(epoch, Purpose.REPLACEMENT, sample)
        for _ in range(self.config.max_bad):
            yield below(rng, len(self.index))

    def _negative(self, epoch: int, anchor: int, bad: list[BadSample]) -> Clip | None:
        """Return one of the anchor's negatives, all equally likely; where one fails, the next one drawn."""
        candidates = same_shard_first(self.index.negatives(anchor), self.index.shard, anchor)
        for choice in permutation(self._rng(epoch, Purpose.NEGATIVE, anchor), len(candidates)):
            view = self._rng(epoch, Purpose.NEGATIVE_VIEW, anchor)
            clip = self._clip(epoch, int(candidates[choice]), view, bad)
            if clip is not None:
                return clip
        return None

    def _clip(self, epoch: int, sample: int, rng: np.random.Generator, bad: list[BadSample]) -> Clip | None:
        if sample in self._known_bad:
            bad.append(self._known_bad[sample])
            return None
        config, row = self.config, self.index.row(sample)
        self.status.note(f"{row.key} in {row.shard_path}")
        # A clip shorter than what is asked for shows frames again: each is decoded and resized once.
        indices = frame_sampler(config.pick)(row.frame_count, config.frames, rng)
        distinct, place = np.unique(indices, return_inverse=True)
        decoded = config.decode == "host"
        frames = (
            read_clip(self.index, sample, distinct, config.decoder)
            if decoded
            else read_encoded(self.index, sample, indices)
        )
        if isinstance(frames, BadSample):
            self._known_bad[sample] = frames
            bad.append(frames)
            return None
        stored = frames.shape[-2:] if decoded else frames.size
        view = random_view(rng, *stored, scale=config.scale, flip=config.flip)
        cropped = decoded and config.crop == "host"
        said = self._caption(epoch, row)
        return Clip(
            crop_and_resize(frames, view, config.size) if cropped else frames,
            said.text_as(config.text),
            said.tag_verb,
            said.tag_noun,
            sample,
            None if cropped else view,
            repeats=place if decoded and len(distinct) < len(place) else None,
            labels=row.labels,
            text_negatives=self._text_negatives(epoch, row) if config.text_negatives else None,
        )

    def _caption(self, epoch: int, row: Sample) -> Sample | Caption:
        """Return what holds the text and the tags that a clip is shown with: the same for each place of an epoch."""
        choice, captions = self.config.captions, self.index.captions
        if choice == FIRST or captions is None:
            return row
        rng = self._rng(epoch, Purpose.CAPTION, row.sample)
        return captions.caption(row.sample, draw_caption(captions, row.sample, choice, rng))

    def _text_negatives(self, epoch: int, row: Sample) -> list[str]:
        """Return texts that are wrong of a clip, other ones in each epoch: all that it has, if they are no more."""
        captions = self.index.captions
        if captions is None:
            return []
        rng = self._rng(epoch, Purpose.TEXT_NEGATIVES, row.sample)
        places = draw_swaps(captions, row.sample, self.config.text_negatives, rng)
        return [captions.caption(row.sample, place).text_as(self.config.text) for place in places]

    def _rng(self, epoch: int, purpose: Purpose, sample: int) -> np.random.Generator:
        return generator(self.config.seed, epoch, purpose, sample)
