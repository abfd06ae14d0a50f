"""The folder of a search index: an .npz for each video, and all of them packed into arrays that are mapped to search.

    INDEX/search.json             what the rows depend on: the weights, the windows, the frames
    INDEX/videos/<video>.npz      rows float16 [N, D] of length 1, stretches float64 [N, 2] in seconds, and the file
    INDEX/packed-<digest>/        the same of all videos, one after the other: rows.npy, stretches.npy, video.npy
    INDEX/packed.json             the digest, and the videos in their order; written last

A video's file is whole or not there, so that an update can be killed at any time and goes on from there. What is packed
is made of these files: who deletes it loses nothing.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from egocurate.errors import InputError
from egocurate.storage.atomic import atomic_path, atomic_write, remove_leftovers, write_json
from egocurate.storage.fingerprint import value_fingerprint
from egocurate.storage.json_notes import read_note

MADE_BY, PACKED, VIDEOS = "search.json", "packed.json", "videos"
ARRAYS = ("rows", "video", "stretches")
FORMAT = 1
WINDOW_SEC, STRIDE_SEC = 1.0, 0.5
"""As long as the clips of EgoClip that models learn from: 1.0 s on average (EgoVLP, 2206.01670)."""
FOR_THE_READER = ("run", "release", "step", "bf16")
"""What is noted beside the digest of the weights and makes no difference, or none that matters to a search."""


@dataclass(frozen=True)
class VideoFile:
    """A video as it was when it was embedded: its path, and what tells that it has changed since."""

    path: str
    bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> VideoFile:
        """Look at a file; one that is not there has no bytes."""
        if not path.is_file():
            return cls(str(path.resolve()), 0, 0)
        stat = path.stat()
        return cls(str(path.resolve()), stat.st_size, stat.st_mtime_ns)

    @classmethod
    def read(cls, note: object) -> VideoFile:
        """Read a note back; raises ValueError for one of another kind."""
        kinds = {"path": str, "bytes": int, "mtime_ns": int}
        if not isinstance(note, dict) or {key: type(value) for key, value in note.items()} != kinds:
            raise ValueError(f"{note!r} is no note of a video")
        return cls(**note)

    def is_as(self, other: VideoFile) -> bool:
        """Tell whether the content is the same, wherever it lies now."""
        return (self.bytes, self.mtime_ns) == (other.bytes, other.mtime_ns)


@dataclass(frozen=True)
class Packed:
    """All rows of an index, mapped: float16 [N, D], their videos int32 [N] and stretches float64 [N, 2]."""

    names: tuple[str, ...]
    files: tuple[VideoFile, ...]
    rows: np.ndarray
    video: np.ndarray
    stretches: np.ndarray


def claim(folder: Path, made_by: Mapping[str, object]) -> None:
    """Make a folder that of an index made so; raises InputError if it holds an index made otherwise."""
    path, made_by = folder / MADE_BY, {"format": FORMAT, **made_by}
    if path.exists():
        differences = _differences(read_note(path, dict), made_by)
        if differences:
            raise InputError(
                f"{folder} is an index of other embeddings: {', '.join(differences)}; name another --index, or delete "
                "it to make it anew"
            )
        return
    (folder / VIDEOS).mkdir(parents=True, exist_ok=True)
    write_json(path, made_by)


def _differences(old: Mapping[str, object], made_by: Mapping[str, object]) -> list[str]:
    return [
        f"{key} ({old.get(key)} -> {made_by[key]})" if key != "weights" else "other weights"
        for key in made_by
        if key not in FOR_THE_READER and old.get(key) != made_by[key]
    ]


def window_of(folder: Path) -> tuple[float, float]:
    """Return the window and the stride of an index in seconds; the default ones where there is none yet."""
    note = read_note(folder / MADE_BY, dict) if (folder / MADE_BY).exists() else {}
    sizes = note.get("window_sec", WINDOW_SEC), note.get("stride_sec", STRIDE_SEC)
    if not all(isinstance(size, int | float) and size > 0 for size in sizes):
        raise InputError(f"{folder / MADE_BY}: windows of {sizes} are none; name another --index")
    return sizes


def check_claim(folder: Path, made_by: Mapping[str, object]) -> None:
    """Raise InputError if a folder holds no index, or one made otherwise; nothing is written."""
    if not (folder / MADE_BY).exists():
        raise InputError(f"{folder}: there is no index yet; name the videos that go into it with --videos")
    claim(folder, made_by)


def write_video(folder: Path, name: str, file: VideoFile, rows: np.ndarray, stretches: np.ndarray) -> None:
    """Write the rows float16 [N, D] and stretches float64 [N, 2] of a video, whole or not at all."""
    note = np.array(json.dumps(asdict(file)))
    atomic_write(_path(folder, name), partial(np.savez, rows=rows, stretches=stretches, video=note))


def move_video(folder: Path, name: str, file: VideoFile) -> None:
    """Note that a video with rows lies elsewhere now."""
    rows, stretches = _arrays_of(_path(folder, name), "rows", "stretches")
    write_video(folder, name, file, rows, stretches)


def drop_video(folder: Path, name: str) -> None:
    """Forget the rows of a video, if it has some."""
    _path(folder, name).unlink(missing_ok=True)


def videos_of(folder: Path) -> dict[str, VideoFile]:
    """Return the videos that have rows, by name; one whose file is damaged has none."""
    remove_leftovers(folder)
    remove_leftovers(folder / VIDEOS)
    found = {}
    for path in sorted((folder / VIDEOS).glob("*.npz")):
        try:
            [note] = _arrays_of(path, "video")
            found[path.stem] = VideoFile.read(json.loads(str(note)))
        except (OSError, ValueError, KeyError, MemoryError, zipfile.BadZipFile):
            path.unlink()
    return found


def _arrays_of(path: Path, *names: str) -> list[np.ndarray]:
    """Return arrays of a video's file; ValueError for one that is compressed, as these never are: it may be a bomb."""
    with zipfile.ZipFile(path) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError(f"{path} is compressed")
    with np.load(path, allow_pickle=False) as arrays:
        return [arrays[name] for name in names]


def pack(folder: Path, channels: int) -> None:
    """Pack the rows of all videos, unless they are packed as they are; what was packed before is removed.

    Raises InputError for a video's file that turns out to be damaged, which is removed.
    """
    files = videos_of(folder)
    if not files:
        (folder / PACKED).unlink(missing_ok=True)
        return
    videos = [[name, asdict(file)] for name, file in files.items()]
    digest = value_fingerprint(videos)[:16]
    note = {"digest": digest, "videos": videos}
    if not _is_packed(folder, note):
        inner = folder / f"packed-{digest}"
        shutil.rmtree(inner, ignore_errors=True)
        inner.mkdir()
        _pack_rows(folder, list(files), inner, channels)
        write_json(folder / PACKED, note)
    for old in folder.glob("packed-*"):
        if old.name != f"packed-{digest}":
            shutil.rmtree(old, ignore_errors=True)


def _pack_rows(folder: Path, names: list[str], inner: Path, channels: int) -> None:
    stretches = [_whole(folder, name, "stretches", 2) for name in names]
    counts = [len(each) for each in stretches]
    with atomic_path(inner / "rows.npy") as temp:
        packed = np.lib.format.open_memmap(temp, "w+", np.float16, (sum(counts), channels))
        for name, rows in zip(names, np.split(packed, np.cumsum(counts)[:-1]), strict=True):
            rows[:] = _whole(folder, name, "rows", channels, len(rows))
        packed.flush()
    video = np.repeat(np.arange(len(names), dtype=np.int32), counts)
    atomic_write(inner / "video.npy", partial(_save, array=video))
    atomic_write(inner / "stretches.npy", partial(_save, array=np.concatenate(stretches)))


def _whole(folder: Path, name: str, array: str, width: int, length: int | None = None) -> np.ndarray:
    """Return an array [length, width] of a video's file; InputError for another, or none, and the file is gone."""
    try:
        [found] = _arrays_of(_path(folder, name), array)
        if found.dtype.kind != "f" or found.shape != (len(found) if length is None else length, width):
            raise ValueError(f"{array} are {found.dtype} {found.shape}")
    except (OSError, ValueError, KeyError, MemoryError, TypeError, zipfile.BadZipFile) as error:
        drop_video(folder, name)
        raise InputError(
            f"{_path(folder, name)} was damaged ({error}) and is removed: repeat the command to embed the video again"
        ) from error
    return found


def _save(file: BinaryIO, array: np.ndarray) -> None:
    np.save(file, array, allow_pickle=False)


def _is_packed(folder: Path, note: Mapping[str, object]) -> bool:
    """Tell whether these videos are packed, and whole."""
    try:
        if read_note(folder / PACKED, dict) != note:
            return False
        open_packed(folder)
    except (FileNotFoundError, InputError):
        return False
    return True


def open_packed(folder: Path) -> Packed:
    """Map what is packed; raises InputError, one line, for an index that is not there or not whole."""
    try:
        return _mapped(folder, read_note(folder / PACKED, dict))
    except FileNotFoundError as error:
        raise InputError(f"{folder}: no video is in the index; name some with --videos") from error
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{folder / PACKED} cannot be read ({error}): name the --videos again") from error


def _mapped(folder: Path, note: Mapping[str, Any]) -> Packed:
    digest, videos = note["digest"], note["videos"]
    if not (isinstance(digest, str) and digest.isalnum() and isinstance(videos, list)):
        raise ValueError("its digest or its videos are of another kind")
    inner = folder / f"packed-{digest}"
    # Mapped, an array takes no more memory than its file has bytes; copied when it is written to, which nothing does.
    rows, video, stretches = (np.load(inner / f"{name}.npy", mmap_mode="c", allow_pickle=False) for name in ARRAYS)
    kinds = (rows.dtype, video.dtype, stretches.dtype) == (np.float16, np.int32, np.float64)
    shapes = rows.ndim == 2 and video.shape == (len(rows),) and stretches.shape == (len(rows), 2)
    if not (kinds and shapes):
        raise ValueError("its arrays do not fit together")
    if len(rows) and not (video.min() >= 0 and video.max() < len(videos) and np.isfinite(stretches).all()):
        raise ValueError("its windows are of no video")
    names = tuple(str(name) for name, _ in videos)
    return Packed(names, tuple(VideoFile.read(file) for _, file in videos), rows, video, stretches)


def _path(folder: Path, name: str) -> Path:
    return folder / VIDEOS / f"{name}.npz"
