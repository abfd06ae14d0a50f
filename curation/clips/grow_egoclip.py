"""Let the tables of an earlier run grow: its clips keep place, number and values, and those that are new follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.curation.clips.captions import without_swaps
from egocurate.curation.clips.egoclip import LEXICON, EgoClip, build_egoclip
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources import Source
from egocurate.errors import InputError
from egocurate.labels import read_clip_table, table_label_names, table_schema
from egocurate.progress import Report, silent
from egocurate.storage.paths import AnyPath

# These depend on what else is in the table, and on what else was narrated in the video or how long it is: what is there
# keeps what it has.
_KEPT = ("clip_idx", "neighbourhood", "negatives")
_WINDOWS = ("video_dur", "window_start", "window_end", "clip_start", "clip_end")
_NAMED = 3  # of the videos that have changed


def grow_egoclip(
    source: Source,
    config: EgoClipConfig,
    lexicon: str,
    out: AnyPath,
    beta: Mapping[str, float],
    changes: str = "",
    report: Report = silent,
) -> EgoClip:
    """Build the tables in `out` anew from a source that has changed, so that they are the earlier ones and more.

    What the earlier run measured over all narrations holds for what is added: the lexicon if it was built from them,
    and `beta`, its alpha and its mean gap in seconds. `changes` says what is new, for an error. Raises InputError,
    naming the videos, if the narrations of clips that are there have changed; a video that has gone from the disk
    meanwhile keeps its clips. Clips of a video that has gained narrations, or whose file was replaced by one of another
    length, keep their windows, too.
    """
    old = read_clip_table(out / "egoclip.parquet")
    is_built = lexicon == "wordnet" or (lexicon == "auto" and source.lexicon_dir() is None)
    fixed = replace(config, alpha=beta["alpha"], mean_gap_sec=beta.get("mean", math.nan))
    classes = out / LEXICON if is_built and (out / LEXICON).exists() else lexicon
    new = build_egoclip(source, fixed, classes, report, out / "egoclip.parquet")
    lacks_length = pc.equal(new.rejected["reason"], "no_video")
    gone = set(new.rejected.filter(lacks_length)["video_uid"].to_pylist())
    # Text negatives are added to the grown table, which says whose are there already.
    old = without_swaps(old)
    kept_windows = _refuse_changes(old, new.table, gone, f"{out} ({changes})" if changes else str(out))
    kept = pc.is_in(new.rejected["video_uid"], value_set=pc.unique(old["video_uid"]))
    rejected = new.rejected.filter(pc.invert(pc.and_(lacks_length, kept)))
    table = add_clips(old, new.table).cast(new.table.schema)  # as it was written at first, not as it was read
    return replace(
        new,
        pieces=lambda: iter([table]),
        rejected_pieces=lambda: iter([rejected]),
        clips=len(table),
        videos=len(pc.unique(table["video_uid"])),
        reasons=_counted(rejected["reason"]),
        beta=dict(beta),
        kept_windows=kept_windows,
    )


def _counted(reasons: pa.ChunkedArray) -> dict[str, int]:
    counts = {row["values"]: row["counts"] for row in reasons.value_counts().to_pylist()}
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def add_clips(old: pa.Table, new: pa.Table) -> pa.Table:
    """Return the rows of a clip table, then those of another whose keys it lacks, numbered on from its last."""
    place = _rows_of(new["key"], old["key"])
    is_new = pc.is_null(place)
    added = new.filter(is_new)
    if not len(added):
        return old
    numbers = old["clip_idx"].to_numpy()[place.fill_null(0).to_numpy()]
    new_rows = is_new.to_numpy()
    numbers[new_rows] = pc.max(old["clip_idx"]).as_py() + 1 + np.arange(len(added))
    _, hoods = np.unique(added["neighbourhood"].to_numpy(), return_inverse=True)
    schema = table_schema(new.schema)
    columns = {name: added[name] for name in schema.names} | {
        "clip_idx": pa.array(numbers[new_rows]),
        "neighbourhood": pa.array(pc.max(old["neighbourhood"]).as_py() + 1 + hoods),
        "negatives": _renumbered(added["negatives"].combine_chunks(), new["clip_idx"].to_numpy(), numbers),
    }
    rows = pa.table([columns[name] for name in schema.names], schema=schema)
    whole = pa.concat_tables([old.select(schema.names).replace_schema_metadata(None), rows])
    return whole.replace_schema_metadata(new.schema.metadata)


def _rows_of(keys: pa.ChunkedArray, among: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return in which row of a column each key stands, null for none; keys of tens of millions pass 2 GiB of text."""
    return pc.index_in(keys.cast(pa.large_string()), value_set=among.cast(pa.large_string()))


def _renumbered(negatives: pa.ListArray, was: np.ndarray, becomes: np.ndarray) -> pa.ListArray:
    """Replace each number in lists by another: `was` int64[N], all different, by `becomes` int64[N]."""
    order = np.argsort(was)
    values = negatives.flatten().to_numpy()
    place = order[np.searchsorted(was, values, sorter=order)]
    lengths = negatives.value_lengths().to_numpy(zero_copy_only=False)
    return pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), becomes[place])


def _refuse_changes(old: pa.Table, new: pa.Table, gone: set[str], where: str) -> int:
    """Raise InputError if clips of `old` have other values in `new`, or are missing there, but for videos `gone`.

    Returns how many videos have clips that only have other windows there.
    """
    if old.schema.names != new.schema.names:
        raise InputError(
            f"{where}: clips have one caption there and several now, or other labels, or the other way round; name "
            "another --out"
        )
    old_names, new_names = (table_label_names(table.schema) for table in (old, new))
    if any(new_names[kind][: len(names)] != names for kind, names in old_names.items()):
        raise InputError(f"{where}: the classes of its labels would have other numbers now; name another --out")
    place = _rows_of(old["key"], new["key"])
    is_there = pc.is_valid(place)
    uids = old["video_uid"].filter(pc.invert(is_there)).to_pylist()
    changed = {"narrations": set(uids) - gone}
    before, now = old.filter(is_there), new.take(place.drop_null())
    for name in table_schema(new.schema).names:
        if name not in _KEPT:
            differs = pc.not_equal(_comparable(before[name]), _comparable(now[name]))
            changed[name] = set(before["video_uid"].filter(differs).to_pylist())
    kept = set().union(*(changed.pop(name) for name in _WINDOWS))
    videos = sorted(set().union(*changed.values()))
    if videos:
        what = ", ".join(name for name, of in changed.items() if of)
        listed = ", ".join(videos[:_NAMED]) + (", ..." if len(videos) > _NAMED else "")
        raise InputError(
            f"{where}: the clips of {len(videos)} videos there would be others now ({listed}: {what}), and clips are "
            "only added; bring back what was narrated, or name another --out, with --tags-from to tag only what is new"
        )
    return len(kept)


def _comparable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as Arrow can compare it: lists as text."""
    if not pa.types.is_list(column.type):
        return column
    if pa.types.is_list(column.type.value_type):
        return pa.chunked_array([[str(lists) for lists in column.to_pylist()]], pa.string())
    return pc.binary_join(column.cast(pa.list_(pa.string())), ",")
