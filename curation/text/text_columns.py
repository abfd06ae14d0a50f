"""What `marks` says of narrations, for columns of them: of plain ones, which most are, Arrow tells it by itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.curation.text.marks import ACTOR, PLAIN, is_unsure, normalize, sentence, word_count

_TEXTS_AT_ONCE = 100_000  # Python's strings, twice the size of Arrow's, are few then


def normalized(texts: pa.Array) -> pa.DictionaryArray:
    """Normalize texts: see `marks.normalize`."""
    return _of_each(texts, _words_of_plain, normalize, pa.large_string()).combine_chunks().dictionary_encode()


def word_counts(texts: pa.Array) -> np.ndarray:
    """Return the number of words of each text, int64[N]: see `marks.word_count`."""
    return _of_each(texts, lambda plain: pc.count_substring(plain, " "), word_count, pa.int64()).to_numpy()


def name_nobody(texts: pa.Array) -> np.ndarray:
    """Tell of each text whether no letter says who acts, bool[N]: not in "wash hands"; see `marks.sentence`."""
    return _of_each(texts, _of_none, lambda text: not sentence(text).letter, pa.bool_()).to_numpy()


def are_unsure(texts: pa.Array) -> np.ndarray:
    """Tell of each text whether its annotator was unsure, bool[N]: see `marks.is_unsure`."""
    return _of_each(texts, _of_none, is_unsure, pa.bool_()).to_numpy()


def _of_each(
    texts: pa.Array, of_plain: Callable[[pa.Array], pa.Array], of_other: Callable[[str], Any], kind: pa.DataType
) -> pa.ChunkedArray:
    """Return what is told of each text; `of_plain` may tell anything of those that are not plain."""
    parts = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part = texts.slice(start, _TEXTS_AT_ONCE)
        is_other = pc.invert(pc.match_substring_regex(part, f"^(?:{PLAIN})$"))
        others = pa.array(map(of_other, part.filter(is_other).to_pylist()), kind)
        parts.append(pc.replace_with_mask(of_plain(part).cast(kind), is_other, others))
    return pa.chunked_array(parts, kind)


def _of_none(texts: pa.Array) -> pa.Array:
    return pa.repeat(False, len(texts))


def _words_of_plain(texts: pa.Array) -> pa.Array:
    return pc.utf8_rtrim(pc.utf8_slice_codeunits(texts, len(ACTOR)), ".")
