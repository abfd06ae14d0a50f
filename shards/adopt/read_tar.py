"""Read one tar of a stranger: which samples it has, where their members stand, what their videos hold."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from egocurate.clip_table import UNSAFE
from egocurate.errors import InputError
from egocurate.shards.adopt.probe import probe
from egocurate.shards.adopt.samples import RawSample, Wanted, first_sample, raw_samples
from egocurate.shards.adopt.tar_members import Member, TarEnds, TarStream
from egocurate.shards.video.decoder_protocol import DecodeError
from egocurate.storage.atomic import atomic_write
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import BUFFER_BYTES, AnyPath, is_remote, of_this_process
from egocurate.storage.remote_file import RemoteFile

ROWS = pa.schema(
    [
        ("key", pa.string()),
        ("clip_text", pa.string()),
        ("offsets", pa.list_(pa.int64())),
        ("sizes", pa.list_(pa.int64())),
        ("crc32", pa.list_(pa.int64())),
        ("frame_count", pa.int32()),
        ("fps", pa.float64()),
        ("seconds", pa.float64()),
    ]
)
"""What is noted of each sample; of its members, that with the text stands first."""

NO_TEXT_MEMBER, NO_VIDEO, NOT_PLAIN, AGAIN = "no text member", "no video member", "not a plain member", "name again"
BAD_TEXT, BAD_VIDEO, TOO_LARGE, TAR_ENDS = "text cannot be read", "video cannot be read", "too large", "tar ends"

_ABOUT = b"egocurate.tar"
_KEY_LETTERS, _DETAIL_LETTERS = 72, 200


@dataclass(frozen=True)
class ForeignTar:
    """A tar where it lies, what it is called in the manifest, and its bytes."""

    path: AnyPath
    name: str
    bytes: int


@dataclass(frozen=True)
class TarNote:
    """What a tar holds: rows of ROWS, its digest, the samples left out as (key, reason, detail), other counts."""

    rows: pa.Table
    sha256: str
    left_out: list[list[str]]
    counts: dict[str, int]

    def write(self, path: AnyPath) -> None:
        """Write the note as a parquet file."""
        about = json.dumps({"sha256": self.sha256, "left_out": self.left_out, "counts": self.counts})
        rows = self.rows.replace_schema_metadata({_ABOUT: about})
        atomic_write(path, lambda file: pq.write_table(rows, file))

    @classmethod
    def read(cls, path: AnyPath) -> TarNote | None:
        """Read a note back, None where there is none, or none that was written whole."""
        try:
            rows = read_parquet(path)
            about = json.loads((rows.schema.metadata or {})[_ABOUT])
        except (OSError, KeyError, ValueError, pa.ArrowException):
            return None
        return cls(rows.replace_schema_metadata(None), about["sha256"], about["left_out"], about["counts"])


def read_tar(tar: ForeignTar, take: Wanted, note: AnyPath) -> int:
    """Read a tar once from end to end, write what it holds to `note`, and return the number of its samples.

    Raises InputError for a file that has changed while it was read, StoreError.
    """
    with open_tar(tar.path) as file:
        stream = TarStream(file, tar.bytes)
        reading = _Reading(tar.name, take)
        try:
            for sample in raw_samples(stream, take):
                reading.add(sample)
        except TarEnds as end:
            reading.leave_out("", TAR_ENDS, str(end))
        try:
            sha256 = stream.sha256
        except TarEnds as end:
            raise InputError(f"{tar.path}: {end}; it changed while it was read: run the same command again") from end
    reading.note(sha256).write(note)
    return len(reading.rows)


def look_at(tar: ForeignTar) -> RawSample | None:
    """Return the first sample of a tar that has a video or a picture; None for none among many members."""
    with open_tar(tar.path) as file:
        return first_sample(TarStream(file, tar.bytes))


def open_tar(path: AnyPath) -> BinaryIO:
    """Open a tar to read it from its first byte on; raises OSError, StoreError."""
    if is_remote(path):
        return io.BufferedReader(RemoteFile(of_this_process(path), BUFFER_BYTES), BUFFER_BYTES)
    return path.open("rb", buffering=1 << 20)


def adopted_key(tar: str, name: str) -> str:
    """Return the key of a sample: of the names of its tar and its own, in the letters that keys have.

    Names are unique in a tar alone, so that of the tar stands before: `00007.tar`, `000070012` -> `00007-000070012`.
    """
    stem, own = tar.removesuffix(".tar"), UNSAFE.sub("_", name)
    key = f"{UNSAFE.sub('_', stem)}-{own}"
    if key == f"{stem}-{name}" and "-" not in own and len(key) <= _KEY_LETTERS:
        return key
    digest = hashlib.sha256(f"{tar}\n{name}".encode()).hexdigest()[:16]
    return f"{key[:_KEY_LETTERS]}-{digest}"


class _Reading:
    """The samples of a tar that have been read so far."""

    def __init__(self, tar: str, take: Wanted) -> None:
        self.rows: list[dict[str, object]] = []
        self._tar, self._take, self._kind = tar, take, take.kind
        self._left_out: list[list[str]] = []
        self._names: set[str] = set()
        self._counts: Counter[str] = Counter()

    def add(self, sample: RawSample) -> None:
        """Take a sample, or leave it out with the reason."""
        reason = self._fault(sample)
        if reason is None:
            try:
                text = self._text(sample)
            except ValueError as error:
                reason = BAD_TEXT, str(error)
            else:
                reason = self._take_video(sample, text)
        if reason is not None:
            self.leave_out(sample.name, *reason)

    def leave_out(self, name: str, reason: str, detail: str) -> None:
        """Note that a sample, "" for the rest of the tar, is not taken, and why."""
        shown = "".join(letter if letter.isprintable() else "?" for letter in name)[:_DETAIL_LETTERS]
        self._left_out.append([f"{self._tar}/{shown}".rstrip("/"), reason, detail[:_DETAIL_LETTERS]])

    def note(self, sha256: str) -> TarNote:
        """Return what was found."""
        return TarNote(pa.Table.from_pylist(self.rows, ROWS), sha256, self._left_out, dict(self._counts))

    def _fault(self, sample: RawSample) -> tuple[str, str] | None:
        take = self._take
        needed = [take.video, take.text] if take.text else [take.video]
        for suffix in ("", *needed):
            if suffix in sample.faults:
                is_large = "at most" in sample.faults[suffix]
                return TOO_LARGE if is_large else NOT_PLAIN, f"{suffix} {sample.faults[suffix]}".strip()
        if take.video not in sample.members:
            return NO_VIDEO, f"it has {', '.join(sorted(sample.members))[:_DETAIL_LETTERS] or 'nothing'}"
        if take.text and take.text not in sample.members:
            return NO_TEXT_MEMBER, f"it has {', '.join(sorted(sample.members))[:_DETAIL_LETTERS]}"
        if sample.name in self._names:
            return AGAIN, "an earlier sample of the tar has its name"
        self._names.add(sample.name)
        return None

    def _text(self, sample: RawSample) -> str:
        return self._take.caption(_content(sample, self._take.text)) if self._take.text else ""

    def _take_video(self, sample: RawSample, text: str) -> tuple[str, str] | None:
        video = sample.members[self._take.video]
        try:
            found = probe(_content(sample, self._take.video), self._kind)
        except DecodeError as error:
            return BAD_VIDEO, str(error)
        # A sample without text has an empty first member: what reads by number finds the video behind it.
        first = sample.members.get(self._take.text) or Member("", video.offset, 0, b"")
        self.rows.append(
            {
                "key": adopted_key(self._tar, sample.name),
                "clip_text": text,
                "offsets": [first.offset, video.offset],
                "sizes": [first.size, video.size],
                "crc32": [first.crc32, video.crc32],
                "frame_count": found.frame_count,
                "fps": found.fps,
                "seconds": found.seconds,
            }
        )
        self._counts["uneven_frame_rate"] += not found.is_even
        return None


def _content(sample: RawSample, suffix: str) -> bytes:
    return sample.members[suffix].content or b""
