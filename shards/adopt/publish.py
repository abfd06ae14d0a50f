"""Write index, list of what was left out, and manifest over tars that others wrote; new tars follow old ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from egocurate.shards.adopt.adopted import ADOPTED
from egocurate.shards.adopt.read_tar import ForeignTar, TarNote
from egocurate.shards.adopt.samples import Wanted
from egocurate.shards.shard_format import (
    FAILED_FILE,
    FAILED_SCHEMA,
    FORMAT,
    INDEX_FILE,
    INDEX_SCHEMA,
    MANIFEST_FILE,
)
from egocurate.shards.write.parts import Part, parts_fingerprint
from egocurate.shards.write.plan_digests import text_digest
from egocurate.storage.atomic import atomic_file, atomic_write, write_text
from egocurate.storage.digested_file import DigestedFile
from egocurate.storage.parquet import read_parquet, table_pieces, write_parquet
from egocurate.storage.paths import AnyPath

Read = Sequence[tuple[ForeignTar, TarNote]]
"""Tars that are new in a folder, in order, with what they hold."""


@dataclass(frozen=True)
class Published:
    """The manifest of a folder, and why each sample that is left out is, of all its tars."""

    manifest: dict[str, Any]
    reasons: list[str]


def publish(
    out: AnyPath,
    before: dict[str, Any] | None,
    root: str,
    take: Wanted,
    read: Read,
    normalize: Callable[[str], str],
) -> Published:
    """Write the files of a folder of adopted tars, the manifest last; nothing is written where no tar is new."""
    failed = _failed(out, before, read)
    reasons = failed["reason"].to_pylist()
    if before is not None and not read:
        return Published(before, reasons)
    with atomic_file(out / INDEX_FILE) as file:
        index = DigestedFile(file)
        samples = _write_index(index, out, before, read, normalize)
    if len(failed):
        atomic_write(out / FAILED_FILE, lambda file: write_parquet(failed, file))
    entries = [
        {"file": tar.name, "samples": len(note.rows), "bytes": tar.bytes, "sha256": note.sha256} for tar, note in read
    ]
    part = Part({}, samples - 1, {}, len(entries), {"tars": text_digest(entries), "members": _members_digest(take)})
    parts = [*(Part.from_json(values) for values in (before or {}).get("parts", [])), part]
    shards = [*(before or {}).get("shards", []), *entries]
    manifest = {
        "format": FORMAT,
        "name": ADOPTED,
        "profile": {"name": ADOPTED, "members": take.kind},
        ADOPTED: {"root": root, "video": take.video, "text": take.text_as_given},
        "plan": parts_fingerprint([one.fingerprint for one in parts]),
        "planned": parts[0].planned,
        "parts": [one.to_json() for one in parts],
        "num_verbs": 0,
        "num_nouns": 0,
        "lexicon": "",
        "samples": samples,
        "failed": len(failed),
        "bytes": sum(entry["bytes"] for entry in shards),
        "index": {"bytes": index.bytes, "sha256": index.sha256},
        "shards": shards,
    }
    write_text(out / MANIFEST_FILE, json.dumps(manifest, indent=1) + "\n")
    return Published(manifest, reasons)


def _members_digest(take: Wanted) -> str:
    return text_digest([take.video, take.text_as_given])


def _write_index(
    file: DigestedFile, out: AnyPath, before: dict[str, Any] | None, read: Read, normalize: Callable[[str], str]
) -> int:
    """Write the rows that were there, then those of the new tars; returns how many there are."""
    samples = 0
    with pq.ParquetWriter(file, INDEX_SCHEMA) as writer:
        for rows in _rows(out, before, read, normalize):
            writer.write_table(rows)
            samples += len(rows)
        if not samples:
            writer.write_table(INDEX_SCHEMA.empty_table())
    return samples


def _rows(
    out: AnyPath, before: dict[str, Any] | None, read: Read, normalize: Callable[[str], str]
) -> Iterator[pa.Table]:
    first, shard = 0, 0
    if before is not None:
        for piece in table_pieces(out / INDEX_FILE, INDEX_SCHEMA.names):
            yield piece.select(INDEX_SCHEMA.names).cast(INDEX_SCHEMA)
        first, shard = before["samples"], len(before["shards"])
    for number, (_, note) in enumerate(read, shard):
        if len(note.rows):
            yield _index_rows(note.rows, first, number, normalize)
        first += len(note.rows)


def _index_rows(rows: pa.Table, first: int, shard: int, normalize: Callable[[str], str]) -> pa.Table:
    """Return the index's rows of a tar; a sample is a video of its own, and all of it is the clip."""
    count = len(rows)
    numbers = np.arange(first, first + count)
    seconds = rows["seconds"].to_numpy()
    none = pa.array([[]] * count, pa.list_(pa.int64()))
    columns: dict[str, Any] = {name: rows[name].combine_chunks() for name in rows.column_names if name != "seconds"}
    columns |= {
        "sample": numbers,
        "shard": np.full(count, shard),
        "video_uid": columns["key"],
        "narration_source": [ADOPTED] * count,
        "narration_ind": np.arange(count),
        "narration_time": seconds / 2,
        "clip_start": np.zeros(count),
        "clip_end": seconds,
        "text": [normalize(text) for text in rows["clip_text"].to_pylist()],
        "tag_verb": none,
        "tag_noun": none,
        "clip_idx": numbers,
        "neighbourhood": numbers,
        "negatives": none,
    }
    arrays = [
        column.cast(field.type) if isinstance(column, pa.Array) else pa.array(column, field.type)
        for field in INDEX_SCHEMA
        for column in [columns[field.name]]
    ]
    return pa.table(arrays, schema=INDEX_SCHEMA)


def _failed(out: AnyPath, before: dict[str, Any] | None, read: Read) -> pa.Table:
    """Return the samples that are left out; their clips have no times."""
    earlier = (
        read_parquet(out / FAILED_FILE) if before is not None and before["failed"] else FAILED_SCHEMA.empty_table()
    )
    left_out = [row for _, note in read for row in note.left_out]
    keys, reasons, details = zip(*left_out, strict=True) if left_out else ((), (), ())
    zeros = np.zeros(len(left_out))
    columns = {"key": keys, "video_uid": keys, "clip_start": zeros, "clip_end": zeros}
    columns |= {"reason": reasons, "detail": details}
    new = pa.table([pa.array(columns[field.name], field.type) for field in FAILED_SCHEMA], schema=FAILED_SCHEMA)
    return pa.concat_tables([earlier.select(FAILED_SCHEMA.names).cast(FAILED_SCHEMA), new])
