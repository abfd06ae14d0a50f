"""EgoClip: every narration that passes the filters as a clip with classes and hard negatives."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from egocurate.clip_table import CLIP_SCHEMA
from egocurate.curation.clips.read_clips import complete_clips
from egocurate.curation.clips.selection import Selection, select_clips, to_micro
from egocurate.curation.clips.write_csv import write_csv
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.lexicon.induce import build_lexicon
from egocurate.curation.sources import Source
from egocurate.curation.text.marks import clean_text
from egocurate.curation.text.tag_table import TAGGED_WITH, earlier_tags, tag_distinct, tagging_digest
from egocurate.curation.text.taxonomy import NOUN_FILE, VERB_FILE, Lexicon, load_lexicon, write_lexicon
from egocurate.errors import InputError
from egocurate.progress import Report, silent
from egocurate.storage.atomic import atomic_write
from egocurate.storage.fingerprint import value_fingerprint
from egocurate.storage.parquet import write_parquet
from egocurate.storage.paths import AnyPath, as_path, make_folder

LEXICON = "lexicon"
"""Folder of an output folder: the two taxonomy files that its tags count in."""

LEXICON_FILES = tuple(f"{LEXICON}/{name}" for name in (VERB_FILE, NOUN_FILE))
BUILT = "built from the narrations"


@dataclass(frozen=True)
class EgoClip:
    """Tables of docs/formats.md, narrations left after each filter, the lexicon, and gap statistics in seconds."""

    table: pa.Table
    rejected: pa.Table
    counts: dict[str, int]
    lexicon: Lexicon
    beta: dict[str, float]


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
    if selection.clips.empty:
        raise InputError(_nothing_left(selection))
    table = _table(selection, config, lexicon, report, tags_from)
    return EgoClip(table, _rejected(selection), selection.counts, lexicon, selection.gaps)


def write_egoclip(egoclip: EgoClip, out: AnyPath) -> list[str]:
    """Write lexicon/, rejected.parquet, egoclip.csv and egoclip.parquet to a folder, each whole or not at all.

    Returns the names of the files.
    """
    make_folder(out)
    write_lexicon(egoclip.lexicon, out / LEXICON)
    atomic_write(out / "rejected.parquet", lambda file: write_parquet(egoclip.rejected, file))
    atomic_write(out / "egoclip.csv", lambda file: write_csv(egoclip.table, file))
    atomic_write(out / "egoclip.parquet", lambda file: write_parquet(egoclip.table, file))
    return [*LEXICON_FILES, "rejected.parquet", "egoclip.csv", "egoclip.parquet"]


def _table(
    selection: Selection, config: EgoClipConfig, lexicon: Lexicon, report: Report, tags_from: AnyPath | None
) -> pa.Table:
    clips = selection.clips
    used, of = np.unique(clips["text"].to_numpy(), return_inverse=True)
    texts = selection.texts.take(pa.array(used))
    rows, earlier = pa.array(of), earlier_tags(tags_from, lexicon) if tags_from else None
    tags = tag_distinct(texts, lexicon, report, earlier).take(rows)
    published = {
        "clip_idx": pa.array(np.arange(len(clips))),
        "video_uid": pa.array(selection.videos, pa.string()).take(pa.array(clips["video"])),
        "video_dur": pa.array(to_micro(clips["video_dur"].to_numpy())),
        "narration_source": pa.array(selection.sources, pa.string()).take(pa.array(clips["source"])),
        "narration_ind": pa.array(clips["narration_ind"].to_numpy()),
        "narration_time": pa.array(to_micro(clips["narration_time"].to_numpy())),
        "clip_start": pa.array(clips["clip_start"].to_numpy()),
        "clip_end": pa.array(clips["clip_end"].to_numpy()),
        "clip_text": texts.take(rows),
        "tag_verb": tags["tag_verb"].combine_chunks(),
        "tag_noun": tags["tag_noun"].combine_chunks(),
    }
    windows = {name: pa.array(clips[name].to_numpy()) for name in ("window_start", "window_end")}
    report("negatives", 0, 1)
    # Parquet names the elements of lists in its own way: tags of an earlier table must not show in what is written.
    table = complete_clips(pa.table(published | windows), config).cast(CLIP_SCHEMA)
    report("negatives", 1, 1)
    return table.replace_schema_metadata({TAGGED_WITH: tagging_digest(lexicon)})


def _rejected(selection: Selection) -> pa.Table:
    rows = selection.rejected
    return pa.table(
        {
            "video_uid": pa.array(selection.videos, pa.string()).take(pa.array(rows["video"].to_numpy())),
            "narration_source": pa.array(selection.sources, pa.string()).take(pa.array(rows["source"].to_numpy())),
            "narration_ind": pa.array(rows["narration_ind"].to_numpy()),
            "narration_time": pa.array(to_micro(rows["narration_time"].to_numpy()), from_pandas=True),
            "clip_text": selection.texts.take(pa.array(rows["text"].to_numpy())),
            "reason": pa.array(rows["reason"].tolist(), pa.string()),
        }
    )


def _nothing_left(selection: Selection) -> str:
    total = selection.counts["narrations"]
    if total == 0:
        return "there are no narrations: no video has any, or all have the status redacted; fetch the annotations again"
    lost = selection.rejected["reason"].value_counts()
    listed = ", ".join(f"{name} {count:,}" for name, count in lost.items())
    way_out = "switch a filter off or check the annotations"
    if lost.index[0] == "no_video":
        way_out = "no_video: the video is not on disk, and nothing else tells how long it is; fetch it, or say with "
        way_out += "--videos-dir where it is"
    return f"none of {total:,} narrations is left: {listed}; {way_out}"
