"""Text negatives of the clips of a table: swaps of each clip's text, kept among its captions as a kind of their own."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.curation.clips.captions import FLAT, own_captions, with_captions
from egocurate.curation.clips.egoclip import EgoClip, Pieces
from egocurate.curation.config import TextNegativesConfig
from egocurate.curation.text.text_columns import normalized
from egocurate.curation.text_negatives.read_spots import TextSpots
from egocurate.curation.text_negatives.swaps import Drawing, Narration, Swap, draw_swaps
from egocurate.curation.text_negatives.usage import Usage
from egocurate.labels import table_schema
from egocurate.progress import Report, silent
from egocurate.text_choices import CAPTION_KINDS, STORED_KINDS, SWAP_KINDS

STAGE = "text negatives"
_FIRST_SWAP = len(CAPTION_KINDS)
_KIND = {True: STORED_KINDS.index(SWAP_KINDS[0]), False: STORED_KINDS.index(SWAP_KINDS[1])}


def with_text_negatives(
    egoclip: EgoClip, config: TextNegativesConfig, earlier: pa.Table | None = None, report: Report = silent
) -> EgoClip:
    """Return an EgoClip whose clips have text negatives; those of clips that `earlier` has, too, stay as they are."""
    negatives = TextNegatives(egoclip, config, earlier, report)
    return replace(egoclip, pieces=negatives.pieces)


class TextNegatives:
    """Draws the swaps of the clips of an EgoClip, in words that its narrations use."""

    def __init__(self, egoclip: EgoClip, config: TextNegativesConfig, earlier: pa.Table | None, report: Report) -> None:
        """Read each distinct text of the clips."""
        self._pieces, self._clips, self._config, self._report = egoclip.pieces, egoclip.clips, config, report
        texts, counts = _distinct_texts(egoclip.pieces)
        self._texts = texts
        self._spots = TextSpots(texts, egoclip.lexicon, report)
        self._usage = Usage(egoclip.lexicon, zip(self._spots.values(), counts.tolist(), strict=True))
        self._earlier = None if earlier is None else _EarlierSwaps(earlier)

    def pieces(self) -> Iterator[pa.Table]:
        """Yield the clip table with text negatives, a block of videos at a time."""
        done = 0
        for piece in self._pieces():
            self._report(STAGE, done, self._clips)
            whole = self._add_to(piece)
            yield whole.cast(table_schema(whole.schema)).replace_schema_metadata(piece.schema.metadata)
            done += len(piece)
        self._report(STAGE, done, self._clips)

    def _add_to(self, clips: pa.Table) -> pa.Table:
        own = own_captions(clips)
        kept = None if self._earlier is None else self._earlier.of(clips["key"])
        is_old = np.zeros(len(clips), bool) if self._earlier is None else self._earlier.has(clips["key"])
        drawn = _flat(list(self._drawn(clips, own, is_old)))
        return with_captions(clips, own, *([] if kept is None else [kept]), drawn)

    def _drawn(self, clips: pa.Table, own: pa.Table, is_old: np.ndarray) -> Iterator[tuple[int, Swap, list, list]]:
        """Yield the swaps of new clips: row, swap, and the classes of its verbs and its nouns."""
        place = pc.index_in(clips["clip_text"].cast(pa.large_string()), value_set=self._texts).to_numpy()
        ends = np.searchsorted(own["row"].to_numpy(), np.arange(len(clips) + 1))
        of_captions = [own[name].to_pylist() for name in ("caption_verbs", "caption_nouns")]
        tags = [clips[name].to_pylist() for name in ("tag_verb", "tag_noun")]
        keys, texts = clips["key"].to_pylist(), clips["clip_text"].to_pylist()
        for row in np.flatnonzero(~is_old).tolist():
            said = slice(ends[row], ends[row + 1])
            verbs, nouns = (sorted({label for one in lists[said] for label in one}) for lists in of_captions)
            narration = Narration(texts[row], self._spots[int(place[row])], verbs, nouns)
            drawing = Drawing(self._config.seed, keys[row])
            for swap in draw_swaps(narration, self._config.per_clip, self._usage, drawing):
                classes = [_swapped(of[row], swap, of is tags[0]) for of in tags]
                yield row, swap, *classes


class _EarlierSwaps:
    """The swaps of the clips of an earlier table, by the clips' keys."""

    def __init__(self, earlier: pa.Table) -> None:
        own = own_captions(earlier)
        self._keys = earlier["key"].cast(pa.large_string()).combine_chunks()
        self._swaps = own.filter(pc.greater_equal(own["caption_kinds"], _FIRST_SWAP))
        self._row = self._swaps["row"].to_numpy()

    def has(self, keys: pa.ChunkedArray) -> np.ndarray:
        return pc.is_valid(self._places(keys)).to_numpy()

    def of(self, keys: pa.ChunkedArray) -> pa.Table:
        """Return the swaps of these clips, flat, each with the place of its clip among them."""
        places = self._places(keys).fill_null(-1).to_numpy()
        first, last = np.searchsorted(self._row, places, "left"), np.searchsorted(self._row, places, "right")
        counts = last - first
        at = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        rows = pa.array(np.repeat(np.arange(len(keys)), counts), pa.int64())
        return self._swaps.take(pa.array(at)).set_column(0, "row", rows)

    def _places(self, keys: pa.ChunkedArray) -> pa.ChunkedArray:
        return pc.index_in(keys.cast(pa.large_string()), value_set=self._keys)


def _distinct_texts(pieces: Pieces) -> tuple[pa.Array, np.ndarray]:
    """Return the distinct texts of clips, and of how many clips each is the text, int64[T]."""
    columns = [piece["clip_text"].cast(pa.large_string()).combine_chunks().dictionary_encode() for piece in pieces()]
    whole = pa.chunked_array(columns).unify_dictionaries().combine_chunks()
    return whole.dictionary, np.bincount(whole.indices.to_numpy(), minlength=len(whole.dictionary))


def _flat(drawn: list[tuple[int, Swap, list, list]]) -> pa.Table:
    """Return swaps as captions, one after the other."""
    texts = pa.array([swap.text for _, swap, *_ in drawn], pa.large_string())
    columns = {
        "row": [row for row, *_ in drawn],
        "captions": texts,
        "caption_texts": normalized(texts).cast(pa.large_string()),
        "caption_kinds": [_KIND[swap.is_verb] for _, swap, *_ in drawn],
        "caption_weights": [1.0] * len(drawn),
        "caption_verbs": [verbs for *_, verbs, _ in drawn],
        "caption_nouns": [nouns for *_, nouns in drawn],
    }
    return pa.table(columns, schema=FLAT)


def _swapped(labels: list[int], swap: Swap, is_verb: bool) -> list[int]:
    if swap.is_verb != is_verb:
        return labels
    return sorted({*labels} - {swap.was} | {swap.label})
