"""Write classes of the clips of a shard folder beside its index, which stays as it is."""

from __future__ import annotations

from dataclasses import asdict

import pyarrow as pa

from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.tag_file import TAG_COLUMNS, TAGS_FORMAT, TagNote, note_file, tags_file
from egocurate.shards.shard_format import INDEX_SCHEMA
from egocurate.storage.atomic import atomic_file, write_json
from egocurate.storage.digested_file import DigestedFile
from egocurate.storage.parquet import write_parquet

_SCHEMA = pa.schema([INDEX_SCHEMA.field(name) for name in TAG_COLUMNS])


def write_tags(index: ShardIndex, name: str, tags: pa.Table, classes: tuple[int, int], lexicon: str, by: str) -> None:
    """Write tags, a row for each sample of an index: their file first, then the note that tells of it.

    `classes` are the numbers of verbs and nouns, `lexicon` the digest of their names, `by` that of what tagged.
    """
    with atomic_file(tags_file(index.folder, name)) as file:
        written = DigestedFile(file)
        write_parquet(tags.select(TAG_COLUMNS).cast(_SCHEMA), written)
    note = TagNote(*classes, lexicon, by, index.index_fingerprint, len(index), written.bytes, written.sha256)
    write_json(note_file(index.folder, name), {"format": TAGS_FORMAT} | asdict(note))
