"""Write one shard from start to end: cut its clips, stream them into a tar, leave a note of what stands where."""

import errno
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

import pyarrow as pa

from egocurate.captions import IN_JSON
from egocurate.labels import PREFIX
from egocurate.shards.profiles import Profile
from egocurate.shards.shard_format import VIDEO_NOT_ON_DISK, member_suffixes
from egocurate.shards.video.cut import ClipWindow, EncodedClip, Failure, cut_clips
from egocurate.shards.video.decoder_watchdog import Guard, Results
from egocurate.shards.write.job import VideoFile
from egocurate.shards.write.tar import TarShard
from egocurate.storage.atomic import atomic_file, atomic_write
from egocurate.storage.paths import AnyPath, as_path, read_bytes

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
TROUBLE = ".trouble"


@dataclass(frozen=True)
class ShardTask:
    """One shard's work: its clips in order, their videos, the tar to write and the note beside it.

    `stall_sec` without a frame ends the process that hangs; `careful` finds the video that crashes it.
    """

    tar: AnyPath
    note: AnyPath
    clips: pa.Table
    videos: dict[str, VideoFile]
    profile: Profile
    stall_sec: float = 120.0
    careful: bool = False


def trouble_file(note: AnyPath) -> AnyPath:
    """Return where the attempts at a shard note the videos that ended them, given the shard's note."""
    return note.with_suffix(TROUBLE)


@dataclass
class ShardNote:
    """What a finished shard holds: parallel lists over its samples, and its failures as (key, reason, detail)."""

    bytes: int = 0
    sha256: str = ""
    keys: list[str] = field(default_factory=list)
    offsets: list[list[int]] = field(default_factory=list)
    sizes: list[list[int]] = field(default_factory=list)
    crc32: list[list[int]] = field(default_factory=list)
    frame_count: list[int] = field(default_factory=list)
    fps: list[float] = field(default_factory=list)
    failed: list[list[str]] = field(default_factory=list)

    def write(self, path: AnyPath) -> None:
        """Write the note as JSON."""
        atomic_write(path, lambda file: file.write(json.dumps(vars(self)).encode()))

    @classmethod
    def read(cls, path: AnyPath) -> "ShardNote":
        """Read a note back; raises ValueError for what is none."""
        try:
            note = cls(**json.loads(read_bytes(path).decode()))
            note.check()
        except (TypeError, RecursionError) as error:
            raise ValueError(f"{path} is no note ({error})") from error
        return note

    def check(self) -> None:
        """Raise ValueError unless the lists are as long as the samples are many, and hold what they should."""
        lists = (self.offsets, self.sizes, self.crc32, self.frame_count, self.fps)
        if not all(isinstance(one, list) and len(one) == len(self.keys) for one in (self.keys, *lists)):
            raise ValueError("its lists are of several lengths")
        members = [numbers for one in lists[:3] for numbers in one]
        if not all(isinstance(numbers, list) and all(map(_is_count, numbers)) for numbers in members):
            raise ValueError("its members have no numbers")
        if any(len({*map(len, of_sample)}) > 1 for of_sample in zip(*lists[:3], strict=True)):
            raise ValueError("a sample has more of one number of its members than of another")
        if not all(map(_is_count, (self.bytes, *self.frame_count))) or max(self.frame_count, default=0) >= 1 << 31:
            raise ValueError("its counts are none")
        if not all(type(rate) in (int, float) and 0 <= rate < 1e6 for rate in self.fps):
            raise ValueError("its rates are none")
        of_failures = isinstance(self.failed, list) and all(
            isinstance(one, list) and len(one) == 3 and all(map(_is_text, one)) for one in self.failed
        )
        if not (of_failures and all(map(_is_text, (*self.keys, self.sha256)))):
            raise ValueError("its texts are none")


def _is_text(value: object) -> bool:
    # JSON may hold halves of characters, which no file takes.
    return isinstance(value, str) and value == value.encode(errors="ignore").decode()


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


@dataclass(frozen=True)
class ShardOutcome:
    """How a task ended: clips planned and clips that failed, or that the disk is full."""

    clips: int
    failed: int = 0
    disk_full: bool = False


def build_shard(task: ShardTask) -> ShardOutcome:
    """Write a shard and its note; the tar takes its name last, so whatever bears it is whole."""
    note = ShardNote()
    try:
        with atomic_file(task.tar) as file:
            tar = TarShard(file)
            for row, result in _results_in_order(task):
                _append(tar, note, row, result, task.profile.codec.members)
            # A shard of which nothing survived is an empty archive: numbers of the others do not move.
            tar.close()
            note.bytes, note.sha256 = tar.bytes, tar.sha256
            note.write(task.note)
    except OSError as error:
        if error.errno in DISK_FULL:
            return ShardOutcome(len(task.clips), disk_full=True)
        raise
    return ShardOutcome(len(task.clips), len(note.failed))


def sample_json(row: dict, clip: EncodedClip) -> bytes:
    """Return the text member of a sample: one JSON object, keys sorted, no spaces, UTF-8."""
    names = ("key", "video_uid", "video_dur", "narration_source", "narration_ind", "narration_time")
    names += ("clip_start", "clip_end", "clip_text", "text", "tag_verb", "tag_noun", "clip_idx")
    names += tuple(name for name in row if name.startswith(PREFIX) or name in IN_JSON)
    content = {name: row[name] for name in names} | {"frame_count": clip.frame_count, "fps": clip.fps}
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _append(tar: TarShard, note: ShardNote, row: dict, result: EncodedClip | Failure, kind: str) -> None:
    key = row["key"]
    if isinstance(result, Failure):
        note.failed.append([key, result.reason, result.detail])
        return
    contents = [sample_json(row, result), *result.members]
    members = list(zip(member_suffixes(kind, result.frame_count), contents, strict=True))
    note.keys.append(key)
    note.offsets.append([tar.add(f"{key}.{suffix}", content) for suffix, content in members])
    note.sizes.append([len(content) for _, content in members])
    note.crc32.append([zlib.crc32(content) for _, content in members])
    note.frame_count.append(result.frame_count)
    note.fps.append(result.fps)


def _results_in_order(task: ShardTask) -> Iterator[tuple[dict, EncodedClip | Failure]]:
    """Yield (row, result) in the order of the plan; a clip waits in memory only for those that overlap it."""
    for uid, rows in groupby(task.clips.to_pylist(), key=lambda row: row["video_uid"]):
        rows = list(rows)
        results: dict[str, EncodedClip | Failure] = {}
        upcoming = 0
        for key, result in _cut_video(task, uid, rows):
            results[key] = result
            while upcoming < len(rows) and rows[upcoming]["key"] in results:
                yield rows[upcoming], results.pop(rows[upcoming]["key"])
                upcoming += 1


def _cut_video(task: ShardTask, uid: str, rows: list[dict]) -> Iterator[tuple[str, EncodedClip | Failure]]:
    video = task.videos[uid]
    if video.path is None:
        return ((row["key"], Failure(VIDEO_NOT_ON_DISK)) for row in rows)
    windows = [(row["key"], row["clip_start"], row["clip_end"]) for row in rows]

    def cut(windows: list[ClipWindow], beat: Callable[[], None]) -> Results:
        return cut_clips(as_path(video.path), windows, task.profile, left_half=video.is_stereo, on_frame=beat)

    return Guard(trouble_file(task.note), task.stall_sec, task.careful).cut(uid, windows, cut)
