"""Whether an index and its manifest belong together: every number in its range, every place inside its shard."""

from __future__ import annotations

from typing import Any

import numpy as np

from egocurate.labels import UNKNOWN, label_column
from egocurate.shards.read.index_columns import ListColumn, ReadColumn, lists, numbers
from egocurate.shards.shard_format import ITEMS, MP4, VIDEO_KINDS
from egocurate.text_choices import STORED_KINDS

PIECE_SAMPLES = 1 << 20
_NUMBERS = ("shard", "frame_count", "fps")
_MEMBERS = ("offsets", "sizes", "crc32")


def check_index(read_column: ReadColumn, manifest: dict[str, Any]) -> None:
    """Raise ValueError, naming the column, for an index that does not fit a manifest; both may be forged."""
    samples, shards = manifest["samples"], manifest["shards"]
    limits = {"negatives": samples, "tag_verb": manifest["num_verbs"], "tag_noun": manifest["num_nouns"]}
    labels = {label_column(kind): len(names) for kind, names in manifest.get("labels", {}).items()}
    columns = {name: numbers(read_column(name)) for name in (*_NUMBERS, *labels)}
    columns |= {name: lists(read_column(name)) for name in (*_MEMBERS, *limits)}
    if manifest.get("captions"):
        _check_captions(read_column, manifest)
    shard = columns["shard"]
    if len(shard) != samples:
        raise ValueError(f"it has {len(shard)} samples, the manifest {samples}")
    # Piece by piece: what is compared with each column is as large as the column.
    pieces = [slice(begin, min(samples, begin + PIECE_SAMPLES)) for begin in range(0, samples, PIECE_SAMPLES)]
    if any((np.diff(shard[max(0, piece.start - 1) : piece.stop]) < 0).any() for piece in pieces):
        raise ValueError("column shard is out of order")
    counts = np.diff(np.searchsorted(shard, np.arange(len(shards) + 1)))
    if not np.array_equal(counts, [entry["samples"] for entry in shards]):
        raise ValueError("column shard counts otherwise than the manifest")
    shard_bytes = np.array([entry["bytes"] for entry in shards], np.int64)
    is_video = manifest["profile"].get("members", MP4) in VIDEO_KINDS
    for piece in pieces:
        of_piece = {name: _rows(column, piece) for name, column in columns.items()}
        _check_members(of_piece, shard_bytes, is_video)
        for name, limit in limits.items():
            values = of_piece[name].values
            if len(values) and not 0 <= values.min() <= values.max() < limit:
                raise ValueError(f"column {name} has a number that is not among 0 to {limit - 1}")
        for name, classes in labels.items():
            values = of_piece[name]
            if len(values) and not UNKNOWN <= values.min() <= values.max() < classes:
                raise ValueError(f"column {name} has a number that is not among {UNKNOWN} to {classes - 1}")


def _check_captions(read_column: ReadColumn, manifest: dict[str, Any]) -> None:
    """Raise ValueError for captions without a kind, a weight or classes that there are, and samples without any."""
    kinds, weights = lists(read_column("caption_kinds")), lists(read_column("caption_weights"))
    if len(kinds.offsets) != manifest["samples"] + 1 or not (np.diff(kinds.offsets) > 0).all():
        raise ValueError("column caption_kinds has not a caption of each sample")
    if not np.array_equal(kinds.offsets, weights.offsets):
        raise ValueError("column caption_weights has not a weight of each caption")
    limits = {"caption_verbs": manifest["num_verbs"], "caption_nouns": manifest["num_nouns"]}
    values = {name: (lists(read_column(name + ITEMS)).values, limit) for name, limit in limits.items()}
    for name, (of_name, limit) in (values | {"caption_kinds": (kinds.values, len(STORED_KINDS))}).items():
        if len(of_name) and not 0 <= of_name.min() <= of_name.max() < limit:
            raise ValueError(f"column {name} has a number that is not among 0 to {limit - 1}")
    if not ((weights.values > 0) & np.isfinite(weights.values)).all():
        raise ValueError("column caption_weights has a number that is no weight")


def _rows(column: np.ndarray | ListColumn, rows: slice) -> np.ndarray | ListColumn:
    if not isinstance(column, ListColumn):
        return column[rows]
    offsets = column.offsets[rows.start : rows.stop + 1]
    return ListColumn(column.values[offsets[0] : offsets[-1]], offsets - offsets[0])


def _check_members(columns: dict[str, Any], shard_bytes: np.ndarray, is_video: bool) -> None:
    """Raise ValueError unless every sample has the members that it should, inside its shard of so many bytes."""
    frames, fps, offsets, sizes = (columns[name] for name in ("frame_count", "fps", "offsets", "sizes"))
    if not ((frames > 0).all() and np.isfinite(fps).all() and (fps > 0).all()):
        raise ValueError("columns frame_count and fps are not positive throughout")
    members = 1 + (np.ones(len(frames), np.int64) if is_video else frames)
    for name in _MEMBERS:
        column = columns[name]
        if not np.array_equal(np.diff(column.offsets), members):
            raise ValueError(f"column {name} has not the members that frame_count says")
        if len(column.values) and column.values.min() < 0:
            raise ValueError(f"column {name} has a negative number")
    room = np.repeat(shard_bytes[columns["shard"]], members)
    if (sizes.values > room).any() or (offsets.values > room - sizes.values).any():
        raise ValueError("columns offsets and sizes lead beyond a shard")
