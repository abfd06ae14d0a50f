"""Digests of what is planned, which tell two plans apart and say what differs."""

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.shards.video.clip_frames import MICROSECONDS_PER_SECOND

# What is told apart, by name -> the columns of the clip table that decide it.
_COLUMNS = {
    "clips": ["key", "video_uid", "neighbourhood"],
    "windows": ["clip_start", "clip_end"],
    "texts": ["clip_text", "text"],
    "tags": ["tag_verb", "tag_noun"],
    "negatives": ["clip_idx", "negatives"],
    "narrations": ["narration_source", "narration_ind", "narration_time", "video_dur"],
}


def plan_digests(clips: pa.Table, videos: Mapping[str, int]) -> dict[str, str]:
    """Return a digest of each thing that decides the bytes of shards, given clips in order and the bytes of videos."""
    columns = {name: _columns_digest(clips, of) for name, of in _COLUMNS.items()}
    return {"videos": videos_digest(videos)} | columns


def videos_digest(videos: Mapping[str, int]) -> str:
    """Return a digest of the bytes of each video."""
    return text_digest(sorted(videos.items()))


def text_digest(value: object) -> str:
    """Return the sha256 of a JSON value, the keys of its objects in order."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _columns_digest(clips: pa.Table, names: list[str]) -> str:
    """Digest values, not Arrow buffers, whose layout depends on how a table came about."""
    parts = []
    for name in names:
        column = clips[name].combine_chunks()
        if pa.types.is_list(column.type):
            parts += [pc.list_value_length(column).to_numpy(zero_copy_only=False), column.flatten().to_numpy()]
        elif pa.types.is_string(column.type):
            parts += [pc.binary_length(column).to_numpy(zero_copy_only=False), "".join(column.to_pylist()).encode()]
        elif name in ("clip_start", "clip_end"):
            parts.append(np.floor(column.to_numpy() * MICROSECONDS_PER_SECOND).astype(np.int64))
        else:
            parts.append(column.to_numpy())
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
