"""What is to be written: the job as it is asked for, and the plan with its fingerprint that follows from it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.captions import caption_fault, has_captions
from egocurate.errors import InputError
from egocurate.labels import UNKNOWN, label_column, table_label_names, table_schema
from egocurate.shards.profiles import Profile
from egocurate.shards.shard_format import FORMAT
from egocurate.shards.write.ordered_clips import PIECE_CLIPS, OrderedClips
from egocurate.shards.write.parts import NOT_ON_DISK, Part, claimed_rows, new_part, parts_fingerprint
from egocurate.shards.write.plan_digests import plan_digests, text_digest
from egocurate.shards.write.shard_plan import ORDERED_BY, plan_shards, shard_order
from egocurate.storage.paths import AnyPath, as_path, is_remote, named

STAT_THREADS = 16


@dataclass(frozen=True)
class VideoFile:
    """Where a video is (None: not on disk) and whether it holds two pictures side by side."""

    path: AnyPath | None
    is_stereo: bool = False

    def size(self) -> int:
        """Return its bytes, or NOT_ON_DISK."""
        if self.path is None:
            return NOT_ON_DISK
        path = as_path(self.path)
        try:
            with named(path):
                return NOT_ON_DISK if not is_remote(path) and path.is_dir() else path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return NOT_ON_DISK


@dataclass(frozen=True)
class ShardJob:
    """Clips (the columns of egoclip.parquet), the videos they come from, and how and where to store them.

    `lexicon` is a digest of what the classes are called, "" if that is not known. A video of which no frame and no
    clip comes for `stall_sec` seconds is given up there: "decoder hung". `looked_in` says, for an error, where videos
    have been looked for. `waiting` counts, by video, what is not in the table before its video is on disk.
    """

    clips: pa.Table
    videos: dict[str, VideoFile]
    out: AnyPath
    profile: Profile
    name: str = "egoclip"
    clips_per_shard: int = 256
    num_verbs: int = 0
    num_nouns: int = 0
    lexicon: str = ""
    stall_sec: float = 120.0
    looked_in: str = ""
    waiting: dict[str, int] = field(default_factory=dict)
    retry_failed: bool = False
    """try clips again that could not be cut, though their video file has not changed"""

    @property
    def label_names(self) -> dict[str, list[str]]:
        """Names of the classes of each kind of label that the clips have."""
        return table_label_names(self.clips.schema)

    def settings(self) -> dict[str, str]:
        """Return what decides the bytes of shards besides clips and videos, by name."""
        return {
            "format": FORMAT,
            "name": self.name,
            "clips per shard": str(self.clips_per_shard),
            "profile": json.dumps(self.profile.settings(), sort_keys=True),
            "classes": f"{self.num_verbs} verbs, {self.num_nouns} nouns"
            + (self.lexicon and f" of lexicon {self.lexicon}"),
        } | ({"label names": text_digest(self.label_names)} if self.label_names else {})


@dataclass(frozen=True)
class ShardSummary:
    """What a run left behind.

    `seconds` is its own time, `new_samples` are those it has cut itself, `already_done` tells that there was nothing to
    do. `waiting` counts, by video, the clips of videos that are not on disk; they are not among the failed.
    """

    samples: int
    failed: int
    shards: int
    bytes: int
    seconds: float
    already_done: bool
    new_samples: int
    waiting: dict[str, int]


@dataclass(frozen=True)
class ShardPlan:
    """Clips in shard order, part after part, and the first row of each shard (int64[shards + 1]).

    `waiting` counts, by video, the clips that no part plans: their videos are not on disk.
    """

    clips: OrderedClips
    bounds: np.ndarray
    parts: tuple[Part, ...]
    waiting: dict[str, int]

    @property
    def shards(self) -> int:
        """Number of shards."""
        return len(self.bounds) - 1

    @property
    def planned(self) -> dict[str, str]:
        """A digest of each thing that the first part was planned by."""
        return self.parts[0].planned

    @cached_property
    def fingerprint(self) -> str:
        """One digest of the whole plan: equal plans give equal bytes."""
        return parts_fingerprint([part.fingerprint for part in self.parts])

    def rows(self, shard: int) -> pa.Table:
        """Return the clips of a shard, copied out of the table."""
        return self.clips.take(np.arange(self.bounds[shard], self.bounds[shard + 1]))

    def keys(self, shard: int) -> list[str]:
        """Return the keys of the clips of a shard."""
        return self.clips.take(np.arange(self.bounds[shard], self.bounds[shard + 1]), ["key"])["key"].to_pylist()


@dataclass(frozen=True)
class CheckedJob:
    """A job whose clips can be planned, and the bytes of each of their videos, or NOT_ON_DISK."""

    job: ShardJob
    clips: pa.Table
    sizes: dict[str, int]


def check_job(job: ShardJob) -> CheckedJob:
    """Look at the clips and the videos of a job; raises InputError for clips that cannot be planned."""
    clips = _checked(job.clips)
    for name, count in _class_columns(clips, job):
        bounds = pc.min_max(_flat(clips[name])).as_py()
        if bounds["max"] is not None and not 0 <= bounds["min"] <= bounds["max"] < count:
            wrong = bounds["max"] if bounds["max"] >= count else bounds["min"]
            raise InputError(f"clip table has {name} {wrong}, which is not among its {count} classes: name its lexicon")
    return CheckedJob(job, clips, _video_sizes(clips, job.videos))


def _class_columns(clips: pa.Table, job: ShardJob) -> list[tuple[str, int]]:
    """Return the columns of classes, and how many classes each counts in."""
    columns = [("tag_verb", job.num_verbs), ("tag_noun", job.num_nouns)]
    more = [("caption_verbs", job.num_verbs), ("caption_nouns", job.num_nouns)]
    return columns + (more if has_captions(clips.schema) else [])


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return what the innermost lists of a column hold."""
    while pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    return column


def make_shard_plan(job: ShardJob) -> ShardPlan:
    """Plan a job for a new folder; raises InputError as `check_job`, and if none of its videos is on disk."""
    checked = check_job(job)
    refuse_without_videos(checked)
    return plan_parts(checked, grown_parts(checked, (), {}))


def refuse_without_videos(checked: CheckedJob) -> None:
    """Raise InputError, saying where they have been looked for, if none of the videos is on disk."""
    job, sizes = checked.job, checked.sizes
    if any(size != NOT_ON_DISK for size in sizes.values()):
        return
    example = next((str(job.videos[uid].path) for uid in sizes if uid in job.videos and job.videos[uid].path), None)
    hint = f"looked for {example}" if example else job.looked_in or f"the first is {next(iter(sizes))}"
    raise InputError(
        f"none of the {len(sizes)} videos of these clips is on disk ({hint}): download them, or say with --videos-dir "
        "where they are"
    )


def grown_parts(
    checked: CheckedJob, parts: Sequence[Part], failed: Mapping[str, Sequence[str]], retry: bool = False
) -> tuple[Part, ...]:
    """Return the parts of a folder and, where there is something to add, one more; see `new_part`."""
    more = new_part(checked.clips, checked.sizes, parts, failed, retry)
    return (*parts, more) if more else tuple(parts)


def plan_parts(checked: CheckedJob, parts: Sequence[Part]) -> ShardPlan:
    """Lay out the shards of parts, one part after the other.

    Raises InputError if the clips of a part that was laid out before are not what they were.
    """
    job, clips = checked.job, checked.clips
    rows, last_part = claimed_rows(clips, parts)
    neighbourhood = clips["neighbourhood"].to_numpy()
    ordered, counts, laid_out = [], [], []
    for number, part in enumerate(parts):
        of_part = rows[number] if len(parts) > 1 or len(rows[number]) < len(clips) else None
        order = shard_order(clips if of_part is None else clips.select(ORDERED_BY).take(of_part))
        order = order if of_part is None else of_part[order]
        shard = plan_shards(neighbourhood[order], job.clips_per_shard)
        bounds = np.searchsorted(shard, np.arange(int(shard.max(initial=-1)) + 2))
        planned = job.settings() | plan_digests(OrderedClips.in_shards(clips, order, bounds), part.videos)
        if part.planned:
            _refuse_other_plan(job, part.planned, planned)
        laid_out.append(replace(part, shards=len(bounds) - 1, planned=part.planned or planned))
        # A clip that a later part tries again has its place in the plan of this one, but is not cut here any more.
        is_here = last_part[order] == number
        counts.append(np.bincount(shard[is_here], minlength=len(bounds) - 1))
        ordered.append(order[is_here])
    bounds = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    planned_clips = OrderedClips.in_shards(clips, np.concatenate(ordered), bounds)
    return ShardPlan(planned_clips, bounds, tuple(laid_out), _count_videos(clips, last_part < 0))


def _count_videos(clips: pa.Table, chosen: np.ndarray) -> dict[str, int]:
    counts = pc.value_counts(clips["video_uid"].filter(pa.array(chosen))).to_pylist()
    return {row["values"]: row["counts"] for row in sorted(counts, key=lambda row: row["values"])}


def _refuse_other_plan(job: ShardJob, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    # What videos were when they were cut is no matter: what is whole stays.
    names = dict.fromkeys([*ours, *theirs])  # theirs may have labels, and ours not
    other = [name for name in names if name != "videos" and theirs.get(name) != ours.get(name)]
    if other:
        named = ", ".join(f"{name} ({_brief(theirs.get(name))} there, {_brief(ours.get(name))} now)" for name in other)
        raise InputError(f"{job.out} holds shards of another plan; what differs: {named}; choose another folder")


def _brief(value: str | None) -> str:
    """Shorten digests, which say nothing to a reader beyond being different."""
    return "nothing" if value is None else value if len(value) != 64 else value[:8]


def _checked(clips: pa.Table) -> pa.Table:
    label_names = table_label_names(clips.schema)
    schema = table_schema(clips.schema)
    missing = [name for name in schema.names if name not in clips.column_names]
    if missing:
        raise InputError(f"clip table has no column {', '.join(missing)}: write it with `curate egoclip`")
    if len(clips) == 0:
        raise InputError("clip table has no rows: there is nothing to cut")
    clips = clips.select(schema.names).cast(schema)
    for name in schema.names:
        empty = clips[name].null_count
        if empty:
            raise InputError(f"clip table has {empty} rows without {name}: every clip needs one")
    for name in ("clip_start", "clip_end"):
        if not pc.all(pc.is_finite(clips[name])).as_py():
            raise InputError(f"clip table has a {name} that is not a number of seconds")
    for kind, names in label_names.items():
        bounds = pc.min_max(clips[label_column(kind)]).as_py()
        if not UNKNOWN <= bounds["min"] <= bounds["max"] < len(names):
            raise InputError(f"clip table has a {label_column(kind)} that is not among its {len(names)} classes")
    if has_captions(schema) and (fault := caption_fault(clips)):
        raise InputError(f"clip table, row {fault[0] + 1}: {fault[1]}")
    key = _repeated(clips["key"])
    if key is not None:
        raise InputError(f"clip table has key {key!r} twice: keys must be unique")
    return clips


def _repeated(texts: pa.ChunkedArray) -> str | None:
    """Return a text that is there twice, if there is one; looked for by hash, in a tenth of the memory of the texts."""
    hashes = np.concatenate([np.fromiter(map(hash, chunk.to_pylist()), np.int64) for chunk in _small(texts)])
    order = np.argsort(hashes)
    same = np.flatnonzero(np.diff(hashes[order]) == 0)
    suspects = Counter(texts.take(np.union1d(order[same], order[same + 1])).to_pylist()) if len(same) else Counter()
    return next((text for text, count in suspects.items() if count > 1), None)


def _small(column: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
    return (column.slice(first, PIECE_CLIPS) for first in range(0, len(column), PIECE_CLIPS))


def _video_sizes(clips: pa.Table, videos: dict[str, VideoFile]) -> dict[str, int]:
    uids = pc.unique(clips["video_uid"]).to_pylist()
    absent = VideoFile(None)
    with ThreadPoolExecutor(STAT_THREADS) as pool:  # thousands of requests, where the videos are in a store
        sizes = dict(zip(uids, pool.map(lambda uid: videos.get(uid, absent).size(), uids), strict=True))
    return sizes
