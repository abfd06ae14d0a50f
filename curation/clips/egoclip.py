"""EgoClip: every narration that passes the filters as a clip with classes and hard negatives."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa

from egocurate.curation.clips.captions import NarratedCaptions
from egocurate.curation.clips.read_clips import complete_clips
from egocurate.curation.clips.selection import Selection, select_clips, to_micro
from egocurate.curation.clips.write_csv import write_csv_header, write_csv_rows
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.labels.narrated_labels import NarratedLabels
from egocurate.curation.lexicon.induce import build_lexicon
from egocurate.curation.sources import Source
from egocurate.curation.text.marks import clean_text
from egocurate.curation.text.tag_table import TAGGED_WITH, earlier_tags, tag_distinct, tagging_digest
from egocurate.curation.text.taxonomy import NOUN_FILE, VERB_FILE, Lexicon, load_lexicon, write_lexicon
from egocurate.curation.text.text_columns import normalized
from egocurate.errors import InputError
from egocurate.labels import table_schema
from egocurate.progress import Report, silent
from egocurate.storage.atomic import atomic_file
from egocurate.storage.fingerprint import value_fingerprint
from egocurate.storage.parquet import row_groups, write_pieces
from egocurate.storage.paths import AnyPath, as_path, make_folder

LEXICON = "lexicon"
"""Folder of an output folder: the two taxonomy files that its tags count in."""

LEXICON_FILES = tuple(f"{LEXICON}/{name}" for name in (VERB_FILE, NOUN_FILE))
BUILT = "built from the narrations"
TABLE_STAGE = "negatives"

Pieces = Callable[[], Iterator[pa.Table]]
"""Gives the pieces of a table, of one schema, from its first row to its last; at least one."""


@dataclass(frozen=True)
class EgoClip:
    """Tables of docs/formats.md, how many narrations each filter left and took out, the lexicon, the gaps in seconds.

    The tables are made a block of videos at a time, each time that they are asked for: `pieces` and `rejected_pieces`
    give tables of one schema, `table` and `rejected` all of it at once.
    """

    pieces: Pieces
    rejected_pieces: Pieces
    clips: int
    videos: int
    counts: dict[str, int]
    reasons: dict[str, int]
    lexicon: Lexicon
    beta: dict[str, float]
    kept_windows: int = 0
    """videos with clips of an earlier run, which keep their windows, though others would be theirs now"""

    @cached_property
    def table(self) -> pa.Table:
        """The clips, in memory."""
        return pa.concat_tables(self.pieces())

    @cached_property
    def rejected(self) -> pa.Table:
        """The narrations that became no clips, in memory."""
        return pa.concat_tables(self.rejected_pieces())


def build_egoclip(
    source: Source,
    config: EgoClipConfig,
    lexicon: str | AnyPath = "auto",
    report: Report = silent,
    tags_from: AnyPath | None = None,
) -> EgoClip:
    """Build the tables from a source; raises InputError if no narration is left.

    `lexicon` as for `open_lexicon`, `tags_from` as for `build_tables`.
    """
    report("read", 0, 2)
    narrations = source.narrations()
    report("read", 1, 2)
    videos = source.videos()
    report("read", 2, 2)
    return build_tables(narrations, videos, config, open_lexicon(source, lexicon, narrations), report, tags_from)


def open_lexicon(source: Source, lexicon: str | AnyPath, narrations: pd.DataFrame) -> Lexicon:
    """Return the classes to tag with.

    `lexicon` is a folder with both taxonomy files, "auto" for the source's own, or "wordnet" (also where the source has
    none) to build them from all narrations, so that EgoClip and EgoMCQ count in the same classes.
    """
    folder = _lexicon_folder(source, lexicon)
    if folder is not None:
        return load_lexicon(folder)
    texts = {clean_text(text) for text in narrations["narration_text"].unique()}
    if "captions" in narrations.columns:
        texts |= {clean_text(text) for captions in narrations["captions"] for text in captions}
    return build_lexicon(sorted(texts - {""}))


def lexicon_input(source: Source, lexicon: str | AnyPath) -> str:
    """Return what decides the classes that `open_lexicon` gives: a digest of a folder's, BUILT where it has none."""
    folder = _lexicon_folder(source, lexicon)
    return BUILT if folder is None else lexicon_digest(load_lexicon(folder))


def lexicon_digest(lexicon: Lexicon) -> str:
    """Return a digest of the classes and of the words in them, in whatever files they stand."""
    return value_fingerprint([[part.labels, sorted(part.forms.items())] for part in (lexicon.verbs, lexicon.nouns)])


def _lexicon_folder(source: Source, lexicon: str | AnyPath) -> AnyPath | None:
    if lexicon == "auto":
        return source.lexicon_dir()
    return None if lexicon == "wordnet" else as_path(lexicon)


def build_tables(
    narrations: pd.DataFrame,
    videos: pd.DataFrame,
    config: EgoClipConfig,
    lexicon: Lexicon,
    report: Report = silent,
    tags_from: AnyPath | None = None,
) -> EgoClip:
    """Build the tables from narrations and videos (see `curation.sources`); raises InputError if nothing is left.

    `tags_from` is an egoclip.parquet of an earlier run: texts that the same tagger has tagged there with the same
    lexicon are not parsed again.
    """
    report("filter", 0, 1)
    selection = select_clips(narrations, videos, config)
    report("filter", 1, 1)
    if not selection.clip_count:
        raise InputError(_nothing_left(selection))
    earlier = earlier_tags(tags_from, lexicon) if tags_from else None
    pa.default_memory_pool().release_unused()  # the tagger's processes can use it
    texts = _Texts(selection, lexicon, report, earlier)
    labels, captions = NarratedLabels.of(narrations), None
    if NarratedCaptions.are_told(narrations):
        captions = NarratedCaptions(narrations, selection.is_clip, lexicon, report)
    return EgoClip(
        pieces=lambda: _pieces(selection, config, texts, labels, captions, report),
        rejected_pieces=lambda: map(partial(_rejected, selection), selection.rejected_blocks()),
        clips=selection.clip_count,
        videos=selection.video_count,
        counts=selection.counts,
        reasons=selection.reasons,
        lexicon=lexicon,
        beta=selection.gaps,
    )


def write_egoclip(egoclip: EgoClip, out: AnyPath) -> list[str]:
    """Write lexicon/, rejected.parquet, egoclip.csv and egoclip.parquet to a folder, each whole or not at all.

    Returns the names of the files.
    """
    make_folder(out)
    write_lexicon(egoclip.lexicon, out / LEXICON)
    with atomic_file(out / "rejected.parquet") as file:
        write_pieces(row_groups(egoclip.rejected_pieces()), file)
    # egoclip.parquet takes its name last: where it is, all is.
    with atomic_file(out / "egoclip.parquet") as file, atomic_file(out / "egoclip.csv") as csv:
        write_pieces(_into_csv(row_groups(egoclip.pieces()), csv), file)
    return [*LEXICON_FILES, "rejected.parquet", "egoclip.csv", "egoclip.parquet"]


def _into_csv(pieces: Iterator[pa.Table], csv: BinaryIO) -> Iterator[pa.Table]:
    """Pass pieces of the clip table on, and write them to a csv file on the way."""
    write_csv_header(csv)
    for piece in pieces:
        write_csv_rows(piece, csv)
        yield piece


class _Texts:
    """What is known of each distinct text of the clips: its tags and its normalized form. `row` is by text code."""

    def __init__(self, selection: Selection, lexicon: Lexicon, report: Report, earlier: pa.Table | None) -> None:
        self.row = np.cumsum(selection.is_used) - 1
        self.clean = selection.texts.filter(pa.array(selection.is_used))
        self.tags = tag_distinct(self.clean, lexicon, report, earlier)
        self.normal = normalized(self.clean)
        self.digest = tagging_digest(lexicon)


def _pieces(
    selection: Selection,
    config: EgoClipConfig,
    texts: _Texts,
    labels: NarratedLabels,
    captions: NarratedCaptions | None,
    report: Report,
) -> Iterator[pa.Table]:
    """Yield the clip table, with the numbers that the whole of it gives; negatives are of the same video."""
    clip_idx, neighbourhood = 0, 0
    for clips in selection.clip_blocks():
        report(TABLE_STAGE, clip_idx, selection.clip_count)
        if clips.empty:
            continue
        piece = _piece(selection, clips, clip_idx, texts, config)
        numbers = piece["neighbourhood"].to_numpy() + neighbourhood
        clip_idx, neighbourhood = clip_idx + len(piece), int(numbers.max()) + 1
        place = piece.schema.get_field_index("neighbourhood")
        piece = piece.set_column(place, "neighbourhood", pa.array(numbers))
        piece = labels.add_to(piece, clips["row"].to_numpy())
        if captions is not None:
            piece = captions.add_to(piece, clips["row"].to_numpy())
        # Parquet names the elements of lists in its own way: tags of an earlier table must not show in what is written.
        metadata = (piece.schema.metadata or {}) | {TAGGED_WITH: texts.digest}
        yield piece.cast(table_schema(piece.schema)).replace_schema_metadata(metadata)
    report(TABLE_STAGE, clip_idx, selection.clip_count)


def _piece(selection: Selection, clips: pd.DataFrame, first: int, texts: _Texts, config: EgoClipConfig) -> pa.Table:
    """Return the clips of a block, of which the first has the number `first`; neighbourhoods are counted from 0."""
    rows = pa.array(texts.row[clips["text"].to_numpy()])
    tags = texts.tags.take(rows)
    published = {
        "clip_idx": pa.array(np.arange(first, first + len(clips))),
        "video_uid": pa.array(selection.videos, pa.string()).take(pa.array(clips["video"])),
        "video_dur": pa.array(to_micro(clips["video_dur"].to_numpy())),
        "narration_source": pa.array(selection.sources, pa.string()).take(pa.array(clips["source"])),
        "narration_ind": pa.array(clips["narration_ind"].to_numpy()),
        "narration_time": pa.array(to_micro(clips["narration_time"].to_numpy())),
        "clip_start": pa.array(clips["clip_start"].to_numpy()),
        "clip_end": pa.array(clips["clip_end"].to_numpy()),
        "clip_text": texts.clean.take(rows),
        "tag_verb": tags["tag_verb"].combine_chunks(),
        "tag_noun": tags["tag_noun"].combine_chunks(),
    }
    windows = {name: pa.array(clips[name].to_numpy()) for name in ("window_start", "window_end")}
    return complete_clips(pa.table(published | windows), config, texts.normal.take(rows))


def _rejected(selection: Selection, rows: pd.DataFrame) -> pa.Table:
    return pa.table(
        {
            "video_uid": pa.array(selection.videos, pa.string()).take(pa.array(rows["video"].to_numpy())),
            "narration_source": pa.array(selection.sources, pa.string()).take(pa.array(rows["source"].to_numpy())),
            "narration_ind": pa.array(rows["narration_ind"].to_numpy()),
            "narration_time": pa.array(to_micro(rows["narration_time"].to_numpy()), from_pandas=True),
            "clip_text": selection.texts.take(pa.array(rows["text"].to_numpy())).cast(pa.string()),
            "reason": pa.array(rows["reason"].tolist(), pa.string()),
        }
    )


def _nothing_left(selection: Selection) -> str:
    total = selection.counts["narrations"]
    if total == 0:
        return "there are no narrations: no video has any, or all have the status redacted; fetch the annotations again"
    lost = selection.reasons
    listed = ", ".join(f"{name} {count:,}" for name, count in lost.items())
    way_out = "switch a filter off or check the annotations"
    if next(iter(lost)) == "no_video":
        way_out = "no_video: the video is not on disk, and nothing else tells how long it is; fetch it, or say with "
        way_out += "--videos-dir where it is"
    return f"none of {total:,} narrations is left: {listed}; {way_out}"
