"""Embed videos into a search index: those that are new or have changed, each once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from egocurate.errors import InputError
from egocurate.loaders.videos.long_videos import OverlappingClips
from egocurate.progress import Report
from egocurate.storage.locks.lock import locked
from egocurate.training.search import index_folder
from egocurate.training.search.index_folder import STRIDE_SEC, WINDOW_SEC, VideoFile
from egocurate.training.tasks.embed import Embedder, unit_rows
from egocurate.training.tasks.video_chunks import VideoChunk, chunks_of_videos, longest_first


@dataclass(frozen=True)
class WindowSettings:
    """What a window shows: `frames` of `size` pixels, spread over window_sec; the next begins stride_sec later."""

    frames: int
    size: int
    window_sec: float = WINDOW_SEC
    stride_sec: float = STRIDE_SEC

    def __post_init__(self) -> None:
        """Raise InputError for windows between which a part of a video would be left out."""
        if not 0 < self.stride_sec <= self.window_sec:
            raise InputError(
                f"windows of {self.window_sec:g} s, {self.stride_sec:g} s apart: give a stride above 0, at most the "
                "window"
            )


class Added(NamedTuple):
    """What an update did: how many videos were embedded, were there as they are, and which are bad, with the reason."""

    embedded: int
    kept: int
    bad: dict[str, str]


def add_videos(
    folder: Path,
    videos: dict[str, Path],
    settings: WindowSettings,
    made_by: dict[str, object],
    embedder: Embedder,
    report: Report,
) -> Added:
    """Embed the videos, by name, that an index has not or that have changed, and pack it; others in it stay.

    made_by: what the rows depend on beside the settings, with the digest of the "weights". A process that is killed
    loses the videos that it was reading. A video that cannot be read is not in the index. Raises InputError for an
    index made otherwise, and while another process writes there.
    """
    index_folder.claim(folder, made_by | asdict(settings))
    with locked(folder):
        files = {name: VideoFile.of(path) for name, path in videos.items()}
        missing = _missing(folder, files)
        todo = {name: videos[name] for name in longest_first(missing, videos)}
        bad = _embed(folder, todo, settings, embedder, report)
        index_folder.pack(folder, embedder.system.embedding)
    return Added(len(missing) - len(bad), len(videos) - len(missing), bad)


def _missing(folder: Path, files: dict[str, VideoFile]) -> list[str]:
    """Return the videos to embed; InputError for a name that another video has, which still is where it was."""
    known = index_folder.videos_of(folder)
    missing = []
    for name, file in files.items():
        then = known.get(name)
        if then is None or not then.is_as(file):
            missing.append(name)
        if then is not None and then.path != file.path:
            now = VideoFile.of(Path(then.path))
            if now.is_as(then) and not then.is_as(file):
                raise InputError(
                    f"{file.path}: the index has {then.path} by the same name; give each video its own, or name "
                    "another --index"
                )
            if then.is_as(file) and not now.bytes:
                index_folder.move_video(folder, name, file)
    return missing


def _embed(
    folder: Path, videos: dict[str, Path], settings: WindowSettings, embedder: Embedder, report: Report
) -> dict[str, str]:
    """Write the rows of each video; return the bad ones, which have none then, with the reason."""
    ranks, bad = embedder.ranks, {}
    files = {name: VideoFile.of(path) for name, path in videos.items()}  # as they are before they are read
    done: dict[str, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    chunks = chunks_of_videos(
        videos,
        partial(
            OverlappingClips,
            frames=settings.frames,
            size=settings.size,
            window_sec=settings.window_sec,
            stride_sec=settings.stride_sec,
        ),
        workers=embedder.workers,
        pin_memory=ranks.device.type == "cuda",
        stage="embed",
        report=report,
    )
    for chunk in chunks:
        if chunk.bad:
            done.pop(chunk.video, None)
            if files[chunk.video].bytes:  # a disk that is not there now will be there again
                index_folder.drop_video(folder, chunk.video)
            bad[chunk.video] = chunk.bad
            continue
        done[chunk.video].append((_rows(chunk, embedder), chunk.stretches))
        if chunk.last:
            rows, stretches = map(np.concatenate, zip(*done.pop(chunk.video), strict=True))
            index_folder.write_video(folder, chunk.video, files[chunk.video], rows, stretches)
    return bad


def _rows(chunk: VideoChunk, embedder: Embedder) -> np.ndarray:
    """Return the embeddings of a chunk's clips, float16 [B, D] of length 1."""
    parts: Sequence[np.ndarray] = [
        unit_rows(embedder.frames(part)).half().cpu().numpy() for part in chunk.frames.split(embedder.clips_at_once)
    ]
    return np.concatenate(parts)
