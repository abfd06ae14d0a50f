"""The texts that the page's search box looks through: of all clips, or of some of them from all over the table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from egocurate.commands.report.left_out import seconds
from egocurate.commands.report.tags import plain
from egocurate.curation.text.taxonomy import Lexicon

MOST_CLIPS, MOST_LEFT_OUT = 4_000, 1_000  # what the page holds of either: half a megabyte


@dataclass(frozen=True)
class Texts:
    """Rows (text, key of the clip or video, time, tags, reason it was left out), and what they are, in a few words.

    Of a clip the reason is "", of a narration that was left out the tags.
    """

    rows: list[tuple[str, str, str, str, str]]
    about: str


def texts_to_search(table: pa.Table, rejected: pa.Table, lexicon: Lexicon) -> Texts:
    """Return the texts of up to MOST_CLIPS clips and MOST_LEFT_OUT other narrations, spread evenly over the tables."""
    clips, left_out = _spread(table, MOST_CLIPS), _spread(rejected, MOST_LEFT_OUT)
    verbs, nouns = ([plain(label) for label in part.labels] for part in (lexicon.verbs, lexicon.nouns))
    rows = [
        (
            row["clip_text"],
            row["key"],
            f"{row['clip_start']:,.2f} to {row['clip_end']:,.2f} s",
            ", ".join([*(verbs[i] for i in row["tag_verb"]), *(nouns[i] for i in row["tag_noun"])]) or "no tags",
            "",
        )
        for row in clips.select(["clip_text", "key", "clip_start", "clip_end", "tag_verb", "tag_noun"]).to_pylist()
    ]
    rows += [
        (row["clip_text"], row["video_uid"], seconds(row["narration_time"]), "", row["reason"])
        for row in left_out.to_pylist()
    ]
    whole = clips.num_rows == table.num_rows and left_out.num_rows == rejected.num_rows
    about = f"{'all' if whole else 'a sample:'} {clips.num_rows:,} clips"
    about += "" if whole else f" of {table.num_rows:,}"
    if rejected.num_rows:
        about += f" and {left_out.num_rows:,}" + ("" if whole else f" of {rejected.num_rows:,}")
        about += " narrations that were left out"
    return Texts(rows, about)


def _spread(table: pa.Table, most: int) -> pa.Table:
    if table.num_rows <= most:
        return table
    return table.take(pa.array(np.linspace(0, table.num_rows - 1, most).astype(np.int64)))
