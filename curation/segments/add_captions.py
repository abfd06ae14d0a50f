"""Add the texts of segments to the clips of a table, as further captions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from egocurate.caption_kinds import CAPTION_KINDS
from egocurate.curation.clips.captions import own_captions, tagged_captions, with_captions
from egocurate.curation.segments.match import match_segments
from egocurate.curation.segments.segments import Segments
from egocurate.curation.text.taxonomy import Lexicon
from egocurate.progress import Report, silent

UNMATCHED_COLUMNS = ["video_uid", "start_sec", "end_sec", "text"]
_ROWS_AT_ONCE = 100_000


@dataclass(frozen=True)
class AddedCaptions:
    """A clip table with more captions, the segments that are no clip of it, and what was counted."""

    table: pa.Table
    unmatched: pd.DataFrame
    counts: dict[str, int]


def add_captions(
    clips: pa.Table,
    segments: Segments,
    lexicon: Lexicon,
    *,
    min_overlap: float = 0.5,
    weight: float = 1.0,
    report: Report = silent,
) -> AddedCaptions:
    """Give each clip the texts of the segments that it matches (`match_segments`), tagged with a lexicon.

    `weight` is theirs in a draw, where the segments bring none. A text that a clip has already is not added again.
    """
    table = segments.table
    uids = pd.Index(pd.unique(pd.Series(clips["video_uid"].to_pylist() + table["video_uid"].tolist(), dtype=object)))
    of_clips = (
        uids.get_indexer(clips["video_uid"].to_pylist()),
        clips["clip_start"].to_numpy(),
        clips["clip_end"].to_numpy(),
    )
    of_segments = (
        uids.get_indexer(table["video_uid"]),
        table["start_sec"].to_numpy(np.float64),
        table["end_sec"].to_numpy(np.float64),
    )
    segment, clip, is_exact = match_segments(of_clips, of_segments, min_overlap)
    flat = _captions_of(table, segment, clip, lexicon, weight, report)
    whole = _added(clips, flat)
    matched = np.zeros(len(table), bool)
    matched[segment] = True
    counts = {
        "segments": len(table),
        "matched_exactly": len(np.unique(segment[is_exact])),
        "matched_by_overlap": len(np.unique(segment[~is_exact])),
        "unmatched": int((~matched).sum()),
        "clips_with_more": len(np.unique(clip)),
        "captions": sum(len(chunk.flatten()) for chunk in whole["captions"].chunks),
    }
    return AddedCaptions(whole, table.loc[~matched, UNMATCHED_COLUMNS], counts)


def _captions_of(
    table: pd.DataFrame, segment: np.ndarray, clip: np.ndarray, lexicon: Lexicon, weight: float, report: Report
) -> pa.Table:
    """Return the texts of matched segments as captions of their clips, flat, in the order of the clips."""
    order = np.lexsort((segment, clip))
    texts, further, weights = (table[name].tolist() for name in ("text", "captions", "caption_weights"))
    kinds = table["kind"].map(CAPTION_KINDS.index).to_numpy(np.int8)
    rows, said, of_kind, of_weight = [], [], [], []
    for place in order.tolist():
        row = int(segment[place])
        own = [texts[row], *further[row]]
        rows += [int(clip[place])] * len(own)
        said += own
        of_kind += [kinds[row]] * len(own)
        of_weight += [weight] * len(own) if weights[row] is None else weights[row]
    return tagged_captions(
        np.array(rows, np.int64), said, np.array(of_kind, np.int8), np.array(of_weight, np.float32), lexicon, report
    )


def _added(clips: pa.Table, flat: pa.Table) -> pa.Table:
    """Return clips with captions, so many at a time that no list of texts passes 2 GiB."""
    pieces, of_row = [], flat["row"].to_numpy()
    for first in range(0, max(1, len(clips)), _ROWS_AT_ONCE):
        piece = clips.slice(first, _ROWS_AT_ONCE)
        begin, end = np.searchsorted(of_row, [first, first + len(piece)])
        more = flat.slice(begin, end - begin).set_column(0, "row", pa.array(of_row[begin:end] - first, pa.int64()))
        pieces.append(with_captions(piece, own_captions(piece), more))
    return pa.concat_tables(pieces)
