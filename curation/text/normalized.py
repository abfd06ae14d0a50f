"""Normalize texts, as columns of them."""

import pyarrow as pa

from egocurate.curation.text.marks import normalize

_TEXTS_AT_ONCE = 100_000


def normalized(texts: pa.Array) -> pa.DictionaryArray:
    """Normalize texts, so many at a time that Python's strings, twice the size of Arrow's, are few."""
    starts = range(0, len(texts), _TEXTS_AT_ONCE)
    parts = [pa.array(map(normalize, texts.slice(at, _TEXTS_AT_ONCE).to_pylist()), pa.large_string()) for at in starts]
    return pa.chunked_array(parts, pa.large_string()).combine_chunks().dictionary_encode()
