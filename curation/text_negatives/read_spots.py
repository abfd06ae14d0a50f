"""The spots of many narrations, each distinct text read once, as columns: a tenth of the size of objects."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from egocurate.curation.text.tag_table import read_in_parts
from egocurate.curation.text.taxonomy import Lexicon
from egocurate.curation.text_negatives.spots import Form, Spot, SpotFinder
from egocurate.progress import Report, silent

STAGE = "read verbs and nouns"

_NUMBERS = {"label": pa.int32(), "form": pa.int8(), "start": pa.int32(), "end": pa.int32()}
_NUMBERS |= {"apart": pa.int32(), "apart_end": pa.int32()}
_SCHEMA = pa.schema(
    [("text", pa.int32()), ("is_verb", pa.bool_())]
    + [(name, pa.string()) for name in ("lemma", "frame", "preposition")]
    + list(_NUMBERS.items())
)


class TextSpots(Mapping):
    """The spots of texts, by the texts' places."""

    def __init__(self, texts: pa.Array, lexicon: Lexicon, report: Report = silent) -> None:
        """Read texts, on all cores where there are many."""
        first, parts = 0, []
        for part in read_in_parts(_read, texts, lexicon, STAGE, report):
            counts = part["text"].to_numpy()
            parts.append(part.set_column(0, "text", pa.array(counts + first, pa.int32())))
            first += int((part.schema.metadata or {})[b"texts"])
        flat = pa.concat_tables([_SCHEMA.empty_table(), *parts])
        self._first = np.searchsorted(flat["text"].to_numpy(), np.arange(len(texts) + 1))
        self._is_verb = flat["is_verb"].to_numpy()
        self._numbers = {name: flat[name].to_numpy() for name in _NUMBERS}
        coded = {name: flat[name].combine_chunks().dictionary_encode() for name in ("lemma", "frame", "preposition")}
        self._words = {
            name: (column.dictionary.to_pylist(), column.indices.to_numpy()) for name, column in coded.items()
        }

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._first) - 1

    def __iter__(self) -> Iterator[int]:
        """Yield the places of all texts."""
        return iter(range(len(self)))

    def __getitem__(self, text: int) -> list[Spot]:
        """Return the spots of a text, its verbs first."""
        return [self._spot(at) for at in range(self._first[text], self._first[text + 1])]

    def _spot(self, at: int) -> Spot:
        numbers = {name: int(column[at]) for name, column in self._numbers.items()}
        words = {name: distinct[code[at]] for name, (distinct, code) in self._words.items()}
        return Spot(is_verb=bool(self._is_verb[at]), **words, **numbers | {"form": Form(numbers["form"])})


def _read(texts: pa.Array, lexicon: Lexicon) -> pa.Table:
    """Return the spots of texts, one after the other, each with the place of its text."""
    rows = [(place, spot) for place, spots in enumerate(SpotFinder(lexicon).find(texts.to_pylist())) for spot in spots]
    columns = {"text": [place for place, _ in rows]}
    columns |= {name: [getattr(spot, name) for _, spot in rows] for name in _SCHEMA.names[1:]}
    return pa.table(columns, schema=_SCHEMA).replace_schema_metadata({"texts": str(len(texts))})
