"""The captions of the samples of an index, where it has more than one a clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from egocurate.shards.read.index_columns import ListColumn, ReadColumn, lists, numbers
from egocurate.shards.shard_format import ITEMS
from egocurate.text_choices import CAPTION_KINDS, STORED_KINDS, TextForm


class Caption(NamedTuple):
    """One caption: as it was written, normalized, who wrote it, its weight in a draw, and its classes int32[K]."""

    clip_text: str
    text: str
    kind: str
    weight: float
    tag_verb: np.ndarray
    tag_noun: np.ndarray

    def text_as(self, form: TextForm) -> str:
        """Return the caption normalized, or raw, with its marks."""
        return self.clip_text if form == "raw" else self.text


@dataclass(frozen=True)
class CaptionColumns:
    """All captions of N samples, one after the other: those of sample i are offsets[i] to offsets[i + 1]."""

    offsets: np.ndarray
    kinds: np.ndarray
    weights: np.ndarray
    written: pa.LargeStringArray
    normalized: pa.LargeStringArray
    verbs: ListColumn
    nouns: ListColumn

    @classmethod
    def read(cls, read_column: ReadColumn) -> CaptionColumns:
        """Read them out of an index; raises pa.ArrowInvalid for columns of different lengths."""
        kinds = lists(read_column("caption_kinds"))
        columns = cls(
            offsets=kinds.offsets,
            kinds=kinds.values,
            weights=numbers(read_column("caption_weights" + ITEMS)),
            written=read_column("captions" + ITEMS),
            normalized=read_column("caption_texts" + ITEMS),
            verbs=lists(read_column("caption_verbs" + ITEMS)),
            nouns=lists(read_column("caption_nouns" + ITEMS)),
        )
        counts = {len(columns.weights), len(columns.written), len(columns.normalized)}
        counts |= {len(column.offsets) - 1 for column in (columns.verbs, columns.nouns)}
        if counts != {len(columns.kinds)}:
            raise pa.ArrowInvalid("columns of captions have different numbers of captions")
        return columns

    def span(self, sample: int) -> slice:
        """Return where the captions of a sample stand in `kinds` and `weights`."""
        return slice(int(self.offsets[sample]), int(self.offsets[sample + 1]))

    def caption(self, sample: int, place: int) -> Caption:
        """Return one caption of a sample, counted from 0."""
        at = int(self.offsets[sample]) + place
        return Caption(
            clip_text=self.written[at].as_py(),
            text=self.normalized[at].as_py(),
            kind=STORED_KINDS[self.kinds[at]],
            weight=float(self.weights[at]),
            tag_verb=self.verbs.row(at),
            tag_noun=self.nouns.row(at),
        )

    def of(self, sample: int) -> list[Caption]:
        """Return all captions of a sample, and its swaps."""
        return [self.caption(sample, place) for place in range(len(self.kinds[self.span(sample)]))]

    @property
    def has_swaps(self) -> bool:
        """Tell whether any sample has a text that is wrong of it."""
        return bool((self.kinds >= len(CAPTION_KINDS)).any())

    def swaps(self, sample: int) -> np.ndarray:
        """Return the places of texts that are wrong of a sample, int64[n], counted from 0."""
        return np.flatnonzero(self.kinds[self.span(sample)] >= len(CAPTION_KINDS))
