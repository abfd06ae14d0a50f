"""What is to be written: the job as it is asked for, and the plan with its fingerprint that follows from it."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.clip_table import CLIP_SCHEMA
from egocurate.errors import InputError
from egocurate.shards.profiles import Profile
from egocurate.shards.shard_format import FORMAT
from egocurate.shards.video.clip_frames import MICROSECONDS_PER_SECOND
from egocurate.shards.write.shard_plan import plan_shards, shard_order
from egocurate.storage.paths import AnyPath, as_path, is_remote, named

NOT_ON_DISK = -1
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
                return path.stat().st_size if is_remote(path) or path.is_file() else NOT_ON_DISK
        except FileNotFoundError:
            return NOT_ON_DISK


@dataclass(frozen=True)
class ShardJob:
    """Clips (the columns of egoclip.parquet), the videos they come from, and how and where to store them.

    `lexicon` is a digest of what the classes are called, "" if that is not known. A video of which no frame and no
    clip comes for `stall_sec` seconds is given up there: "decoder hung".
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


@dataclass(frozen=True)
class ShardSummary:
    """What a run left behind; `seconds` is its own time, `already_done` tells that there was nothing to do."""

    samples: int
    failed: int
    shards: int
    bytes: int
    seconds: float
    already_done: bool


@dataclass(frozen=True)
class ShardPlan:
    """Clips in shard order, the first row of each shard (int64[shards + 1]), and a digest of each part of the plan."""

    clips: pa.Table
    bounds: np.ndarray
    planned: dict[str, str]

    @property
    def shards(self) -> int:
        """Number of shards."""
        return len(self.bounds) - 1

    @cached_property
    def fingerprint(self) -> str:
        """One digest of the whole plan: equal plans give equal bytes."""
        return _digest(json.dumps(self.planned, sort_keys=True).encode())

    def rows(self, shard: int) -> pa.Table:
        """Return the clips of a shard, copied out of the table."""
        return self.clips.take(np.arange(self.bounds[shard], self.bounds[shard + 1]))


def make_shard_plan(job: ShardJob) -> ShardPlan:
    """Plan a job; raises InputError for clips that cannot be planned or if none of their videos is on disk."""
    clips = _checked(job.clips)
    sizes = _video_sizes(clips, job.videos)
    clips = clips.take(shard_order(clips)).combine_chunks()
    shard = plan_shards(clips["neighbourhood"].to_numpy(), job.clips_per_shard)
    bounds = np.append(np.flatnonzero(np.diff(shard, prepend=-1)), len(shard))
    planned = {
        "format": FORMAT,
        "name": job.name,
        "clips per shard": str(job.clips_per_shard),
        "profile": json.dumps(job.profile.settings(), sort_keys=True),
        "classes": f"{job.num_verbs} verbs, {job.num_nouns} nouns" + (job.lexicon and f" of lexicon {job.lexicon}"),
        "videos": _digest(json.dumps(sorted(sizes.items())).encode()),
        "clips": _columns_digest(clips, ["key", "video_uid", "neighbourhood"]),
        "windows": _columns_digest(clips, ["clip_start", "clip_end"]),
        "texts": _columns_digest(clips, ["clip_text", "text"]),
        "tags": _columns_digest(clips, ["tag_verb", "tag_noun"]),
        "negatives": _columns_digest(clips, ["clip_idx", "negatives"]),
        "narrations": _columns_digest(clips, ["narration_source", "narration_ind", "narration_time", "video_dur"]),
    }
    return ShardPlan(clips, bounds, planned)


def _checked(clips: pa.Table) -> pa.Table:
    missing = [name for name in CLIP_SCHEMA.names if name not in clips.column_names]
    if missing:
        raise InputError(f"clip table has no column {', '.join(missing)}: write it with `curate egoclip`")
    if len(clips) == 0:
        raise InputError("clip table has no rows: there is nothing to cut")
    clips = clips.select(CLIP_SCHEMA.names).cast(CLIP_SCHEMA)
    for name in CLIP_SCHEMA.names:
        empty = clips[name].null_count
        if empty:
            raise InputError(f"clip table has {empty} rows without {name}: every clip needs one")
    for name in ("clip_start", "clip_end"):
        if not pc.all(pc.is_finite(clips[name])).as_py():
            raise InputError(f"clip table has a {name} that is not a number of seconds")
    counts = pc.value_counts(clips["key"])
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        raise InputError(f"clip table has key {repeated[0]['values'].as_py()!r} twice: keys must be unique")
    return clips


def _video_sizes(clips: pa.Table, videos: dict[str, VideoFile]) -> dict[str, int]:
    uids = pc.unique(clips["video_uid"]).to_pylist()
    absent = VideoFile(None)
    with ThreadPoolExecutor(STAT_THREADS) as pool:  # thousands of requests, where the videos are in a store
        sizes = dict(zip(uids, pool.map(lambda uid: videos.get(uid, absent).size(), uids), strict=True))
    if all(size == NOT_ON_DISK for size in sizes.values()):
        example = next((str(videos[uid].path) for uid in uids if uid in videos and videos[uid].path), None)
        hint = f"looked for {example}" if example else f"the first is {uids[0]}"
        raise InputError(f"none of the {len(uids)} videos of these clips is on disk ({hint}): download them first")
    return sizes


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


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
