"""File names and columns of a shard folder (docs/formats.md)."""

import pyarrow as pa

from egocurate.captions import CAPTION_TYPES
from egocurate.clip_table import CLIP_SCHEMA
from egocurate.labels import LABEL_TYPE, PREFIX

FORMAT = "egocurate-shards/1"
MP4 = "mp4"
VIDEO_KINDS = (MP4, "webm")
"""A clip as one video; what is cut here is mp4, webm is in tars of others alone."""
MEMBER_KINDS = (*VIDEO_KINDS, "jpg", "webp")
"""What a clip can be stored as: one video, or a picture for each frame."""

INDEX_FILE, MANIFEST_FILE, FAILED_FILE = "index.parquet", "manifest.json", "failed.parquet"
WAITING_FILE = "waiting.csv"
PARTS_KEY = "egocurate.parts"
"""Key of the index's metadata under which a folder that has grown keeps the manifest's parts."""

ITEMS = ".items"
"""What the name of a column of lists ends in to mean what the lists hold."""

VIDEO_NOT_ON_DISK = "video not on disk"
"""Reason of a failure that ends by itself when the video comes."""

# Columns that the index takes over from the clip table.
CLIP_COLUMNS = ("video_uid", "narration_source", "narration_ind", "narration_time", "clip_start", "clip_end")
CLIP_COLUMNS += ("clip_text", "text", "tag_verb", "tag_noun", "clip_idx")

INDEX_SCHEMA = pa.schema(
    [
        ("sample", pa.int64()),
        ("key", pa.string()),
        ("shard", pa.int32()),
        ("offsets", pa.list_(pa.int64())),
        ("sizes", pa.list_(pa.int64())),
        ("crc32", pa.list_(pa.int64())),
        *[CLIP_SCHEMA.field(name) for name in CLIP_COLUMNS],
        ("neighbourhood", pa.int64()),
        ("negatives", pa.list_(pa.int64())),
        ("frame_count", pa.int32()),
        ("fps", pa.float64()),
    ]
)

FAILED_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("video_uid", pa.string()),
        ("clip_start", pa.float64()),
        ("clip_end", pa.float64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)


def index_type(name: str) -> pa.DataType:
    """Return the type of a column of the index; those of labels and captions are there where the clips have them.

    "captions.items" is what the lists of column captions hold, one after the other.
    """
    if name.endswith(ITEMS):
        return index_type(name.removesuffix(ITEMS)).value_type
    if name in CAPTION_TYPES:
        return CAPTION_TYPES[name]
    return LABEL_TYPE if name.startswith(PREFIX) else INDEX_SCHEMA.field(name).type


def shard_file(name: str, number: int) -> str:
    """Return the file name of a shard."""
    return f"{name}-{number:06d}.tar"


def member_suffixes(members: str, frame_count: int) -> list[str]:
    """Return the endings of a sample's members: json, then the video, or a number and kind for each frame."""
    if members in VIDEO_KINDS:
        return ["json", members]
    return ["json", *(f"{frame:03d}.{members}" for frame in range(frame_count))]
