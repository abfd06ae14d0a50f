"""Write index, list of failures and manifest over finished shards."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from egocurate.captions import CAPTION_TYPES, has_captions
from egocurate.errors import InputError
from egocurate.labels import PREFIX
from egocurate.shards.shard_format import (
    CLIP_COLUMNS,
    FAILED_FILE,
    FAILED_SCHEMA,
    FORMAT,
    INDEX_FILE,
    INDEX_SCHEMA,
    MANIFEST_FILE,
    PARTS_KEY,
    VIDEO_NOT_ON_DISK,
    WAITING_FILE,
    index_type,
)
from egocurate.shards.write.job import ShardPlan
from egocurate.shards.write.ordered_clips import OrderedClips
from egocurate.shards.write.parts import NOT_ON_DISK, Part
from egocurate.shards.write.shard_content import MEMBER_COLUMNS, NUMBERS
from egocurate.shards.write.shard_folder import ShardFolder
from egocurate.storage.atomic import atomic_file, atomic_write, write_text
from egocurate.storage.digested_file import DigestedFile
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import AnyPath, read_bytes

INDEX_ROW_GROUP = 65_536


@dataclass
class _Written:
    """What the notes of all shards say, by column; rows are rows of the plan."""

    rows: np.ndarray  # int64[samples]
    shard: np.ndarray  # int32[samples]
    bounds: np.ndarray  # int64[samples + 1]: members bounds[i] to bounds[i + 1] are those of sample i
    members: dict[str, np.ndarray]  # int64[members]: json first, then the video or its frames
    numbers: dict[str, np.ndarray]
    failed: list[tuple[int, str, str]]  # row, reason, detail
    entries: list[dict]


def publish(folder: ShardFolder) -> None:
    """Write index.parquet, failed.parquet (if anything failed) and, last, manifest.json."""
    plan, job = folder.plan, folder.job
    written = _read_contents(folder)
    parts = [part.to_json() for part in _parts_as_cut(plan, written)]
    # What never grew and covers the whole table follows from the table alone; of any other folder the index has the
    # parts too, so that a manifest that is lost can be written again.
    about = {PARTS_KEY: json.dumps(parts)} if len(parts) > 1 or plan.waiting else None
    with atomic_file(folder.out / INDEX_FILE) as file:
        index = DigestedFile(file)
        _write_index(index, plan.clips, written, about)
    if written.failed:
        rows, reasons, details = zip(*written.failed, strict=True)
        clips = plan.clips.take(np.array(rows), ["key", "video_uid", "clip_start", "clip_end"])
        columns = [*clips.columns, pa.array(reasons, pa.string()), pa.array(details, pa.string())]
        failed = pa.table(columns, schema=FAILED_SCHEMA)
        atomic_write(folder.out / FAILED_FILE, lambda file: pq.write_table(failed, file))
    else:
        (folder.out / FAILED_FILE).unlink(missing_ok=True)
    manifest = {
        "format": FORMAT,
        "name": job.name,
        "profile": job.profile.settings(),
        "plan": plan.fingerprint,
        "planned": plan.planned,
        "parts": parts,
        "num_verbs": job.num_verbs,
        "num_nouns": job.num_nouns,
        "lexicon": job.lexicon,
        "samples": len(written.rows),
        "failed": len(written.failed),
        "bytes": sum(entry["bytes"] for entry in written.entries),
        "index": {"bytes": index.bytes, "sha256": index.sha256},
        "shards": written.entries,
    } | ({"labels": job.label_names} if job.label_names else {})
    if has_captions(plan.clips.table.schema):
        manifest["captions"] = True
    write_text(folder.out / MANIFEST_FILE, json.dumps(manifest, indent=1) + "\n")


def publish_waiting(folder: ShardFolder, gone: Mapping[str, int]) -> dict[str, int]:
    """Write waiting.csv, the videos that are not on disk and how many clips wait for each; none waiting, no file.

    Returns these counts: of clips of no part, those of `gone`, and what the job says.
    """
    total = Counter(folder.plan.waiting) + Counter(gone) + Counter(folder.job.waiting)
    waiting = dict(sorted(total.items()))
    path = folder.out / WAITING_FILE
    text = "video_uid,clips\n" + "".join(f"{uid},{count}\n" for uid, count in waiting.items())
    if not waiting:
        path.unlink(missing_ok=True)
    elif not path.exists() or read_bytes(path) != text.encode():
        write_text(path, text)
    return waiting


def count_gone(out: AnyPath) -> dict[str, int]:
    """Count, by video, the clips in failed.parquet whose video went away between planning and cutting."""
    if not (out / FAILED_FILE).exists():
        return {}
    failed = read_parquet(out / FAILED_FILE, ["video_uid", "reason"]).to_pylist()
    return dict(Counter(row["video_uid"] for row in failed if row["reason"] == VIDEO_NOT_ON_DISK))


def _read_contents(folder: ShardFolder) -> _Written:
    """Read what shards hold one by one: as arrays, millions of samples stay small."""
    plan = folder.plan
    rows, failed, entries = [], [], []
    columns: dict[str, list[np.ndarray]] = {name: [] for name in (*MEMBER_COLUMNS, "counts", *NUMBERS)}
    for shard, content in enumerate(folder.contents()):
        first = int(plan.bounds[shard])
        row = {key: first + i for i, key in enumerate(plan.keys(shard))}
        if not row.keys() >= set(content.keys):
            raise InputError(f"{folder.out / INDEX_FILE} does not fit its plan: run `curate verify --repair`")
        rows.append(np.array([row[key] for key in content.keys], np.int64))
        # A clip that a later part has tried again is not of this shard any more.
        failed += [(row[key], reason, detail) for key, reason, detail in content.failed if key in row]
        columns["counts"].append(content.counts)
        for name, values in (content.members | content.numbers).items():
            columns[name].append(values)
        size = {"samples": len(content.keys), "bytes": content.bytes, "sha256": content.sha256}
        entries.append({"file": folder.tar(shard).name, **size})
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    members, numbers = ({name: whole[name] for name in names} for names in (MEMBER_COLUMNS, NUMBERS))
    bounds = np.concatenate([[0], np.cumsum(whole["counts"])])
    shard_of = np.repeat(np.arange(plan.shards, dtype=np.int32), [entry["samples"] for entry in entries])
    return _Written(np.concatenate(rows), shard_of, bounds, members, numbers, failed, entries)


def _parts_as_cut(plan: ShardPlan, written: _Written) -> list[Part]:
    """Return the parts, with NOT_ON_DISK for videos that went away between planning and cutting."""
    gone: dict[int, set[str]] = defaultdict(set)
    ends = np.cumsum([part.shards for part in plan.parts])
    for row, reason, _ in written.failed:
        if reason == VIDEO_NOT_ON_DISK:
            shard = np.searchsorted(plan.bounds, row, "right") - 1
            gone[int(np.searchsorted(ends, shard, "right"))].add(
                plan.clips.take(np.array([row]), ["video_uid"])["video_uid"][0].as_py()
            )
    return [
        replace(part, videos=part.videos | dict.fromkeys(sorted(gone[number]), NOT_ON_DISK))
        for number, part in enumerate(plan.parts)
    ]


def _write_index(file: BinaryIO, clips: OrderedClips, written: _Written, about: dict[str, str] | None) -> None:
    """Write the index a row group at a time, so that the texts are never in memory twice; `about` is its metadata."""
    clip_idx = clips.numbers("clip_idx")[written.rows]
    order = np.argsort(clip_idx, kind="stable")
    more = [name for name in clips.table.column_names if name.startswith(PREFIX) or name in CAPTION_TYPES]
    schema = pa.schema([*INDEX_SCHEMA, *(pa.field(name, index_type(name)) for name in more)], about)
    with pq.ParquetWriter(file, schema) as writer:
        for first in range(0, max(1, len(written.rows)), INDEX_ROW_GROUP):
            part = slice(first, first + INDEX_ROW_GROUP)
            rows = clips.take(written.rows[part])
            columns = {name: rows[name].combine_chunks() for name in (*CLIP_COLUMNS, "key", "neighbourhood", *more)}
            columns["sample"] = np.arange(first, first + len(rows))
            columns["shard"] = written.shard[part]
            columns["negatives"] = _as_samples(rows["negatives"].combine_chunks(), clip_idx, order)
            columns |= {name: values[part] for name, values in written.numbers.items()}
            bounds = written.bounds[first : first + len(rows) + 1]
            for name, values in written.members.items():
                offsets = (bounds - bounds[0]).astype(np.int32)
                columns[name] = pa.ListArray.from_arrays(offsets, values[bounds[0] : bounds[-1]])
            arrays = [pa.array(columns[field.name], field.type) for field in schema]
            writer.write_table(pa.table(arrays, schema=schema))


def _as_samples(negatives: pa.ListArray, clip_idx: np.ndarray, order: np.ndarray) -> pa.ListArray:
    """Turn lists of clip_idx into lists of samples, without the clips that were not written.

    `clip_idx` int64[samples] is that of each sample, `order` sorts it.
    """
    values = negatives.flatten().to_numpy()
    lengths = negatives.value_lengths().to_numpy(zero_copy_only=False)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    place = np.searchsorted(clip_idx, values, sorter=order)
    sample = order[np.minimum(place, len(order) - 1)] if len(order) else place
    was_written = clip_idx[sample] == values
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owner[was_written], minlength=len(lengths)))])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(sample[was_written], pa.int64()))
