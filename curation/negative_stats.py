"""What hard negatives are like: how many a clip has, how far they are, how often they share a verb or a noun."""

from typing import TypedDict

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.tagsets import ragged, share

Floats = NDArray[np.float64]

QUANTILES = np.array([0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0])
_PAIRS = 1_000_000  # pairs whose tags are compared: every n-th one of a larger table


class NegativeStats(TypedDict):
    """`clips_with` float64[K + 1]: share of clips with 0..K negatives; `share_*` are of the pairs (clip, negative).

    `distance_sec` float64[7] are the seconds between a clip and its negative at QUANTILES, NaN if there are no pairs.
    """

    clips: int
    pairs: int
    clips_with: Floats
    distance_sec: Floats
    share_verb: float
    share_noun: float
    share_pass: float


def negative_stats(table: pa.Table) -> NegativeStats:
    """Sum up the negatives of a clip table (docs/formats.md); the shares are NaN if no clip has a negative."""
    negatives, offsets = ragged(table["negatives"])
    sizes = np.diff(offsets)
    clip = np.repeat(np.arange(len(table)), sizes)
    number = table["clip_idx"].to_numpy()
    order = np.argsort(number, kind="stable")
    other = order[np.searchsorted(number, negatives, sorter=order)]
    time = table["narration_time"].to_numpy()
    source = table["narration_source"].combine_chunks().dictionary_encode().indices.to_numpy()
    distance = np.abs(time[clip] - time[other])
    a, b = (rows[:: max(len(rows) // _PAIRS, 1)] for rows in (clip, other))
    return NegativeStats(
        clips=len(table),
        pairs=len(clip),
        clips_with=np.bincount(sizes, minlength=1) / max(len(table), 1),
        distance_sec=np.quantile(distance, QUANTILES) if len(clip) else np.full(len(QUANTILES), np.nan),
        share_verb=_mean(share(ragged(table["tag_verb"]), a, b)),
        share_noun=_mean(share(ragged(table["tag_noun"]), a, b)),
        share_pass=_mean(source[a] == source[b]),
    )


def _mean(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else float("nan")
