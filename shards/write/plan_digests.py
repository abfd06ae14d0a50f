"""Digests of what is planned, which tell two plans apart and say what differs."""

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.captions import CAPTION_TYPES
from egocurate.labels import PREFIX
from egocurate.shards.video.clip_frames import MICROSECONDS_PER_SECOND
from egocurate.shards.write.ordered_clips import OrderedClips

# What is told apart, by name -> the columns of the clip table that decide it.
_COLUMNS = {
    "clips": ["key", "video_uid", "neighbourhood"],
    "windows": ["clip_start", "clip_end"],
    "texts": ["clip_text", "text"],
    "tags": ["tag_verb", "tag_noun"],
    "negatives": ["clip_idx", "negatives"],
    "narrations": ["narration_source", "narration_ind", "narration_time", "video_dur"],
}


def plan_digests(clips: OrderedClips, videos: Mapping[str, int]) -> dict[str, str]:
    """Return a digest of each thing that decides the bytes of shards, given its clips and the bytes of videos."""
    labels = [name for name in clips.table.column_names if name.startswith(PREFIX)]
    captions = [name for name in clips.table.column_names if name in CAPTION_TYPES]
    decided_by = _COLUMNS | ({"labels": labels} if labels else {}) | ({"captions": captions} if captions else {})
    columns = {name: _columns_digest(clips, of) for name, of in decided_by.items()}
    return {"videos": videos_digest(videos)} | columns


def videos_digest(videos: Mapping[str, int]) -> str:
    """Return a digest of the bytes of each video."""
    return text_digest(sorted(videos.items()))


def text_digest(value: object) -> str:
    """Return the sha256 of a JSON value, the keys of its objects in order."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _columns_digest(clips: OrderedClips, names: list[str]) -> str:
    """Digest values, not Arrow buffers, whose layout depends on how a table came about."""
    digest = hashlib.sha256()
    for name in names:
        column = clips.table[name]
        if name in CAPTION_TYPES:
            for piece in clips.pieces(name):
                digest.update(json.dumps(piece.to_pylist()).encode())
        elif pa.types.is_list(column.type):
            digest.update(pc.list_value_length(column).to_numpy()[clips.rows])
            for piece in clips.pieces(name):
                digest.update(np.ascontiguousarray(piece.flatten().to_numpy()))
        elif pa.types.is_string(column.type):
            digest.update(pc.binary_length(column).to_numpy()[clips.rows])
            for piece in clips.pieces(name):
                digest.update("".join(piece.to_pylist()).encode())
        elif name in ("clip_start", "clip_end"):
            digest.update(np.floor(clips.numbers(name) * MICROSECONDS_PER_SECOND).astype(np.int64))
        else:
            digest.update(clips.numbers(name))
    return digest.hexdigest()
