"""A file of labels as a source of videos: those that it names, beside it or in folders that are named."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import pandas as pd

from egocurate.curation.labels.annotations import VIDEO_SUFFIXES, Annotations, video_name
from egocurate.curation.labels.read_annotations import read_annotations
from egocurate.curation.sources import NARRATION_COLUMNS
from egocurate.curation.sources.video_folders import PLACES, VideoFolders, is_there, looked_in
from egocurate.curation.sources.videos_table import VideoFacts, videos_table
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.paths import AnyPath, as_path

PROBE_THREADS = 16
_BELOW = tuple(dict.fromkeys((*PLACES, "*/*", "videos/*/*")))


class LabelSource:
    """Read the videos that a file of labels names; there are no narrations.

    A video is looked for in `videos_dirs`, then from the folder of the file on: by its path, its file name, and its
    name without an ending, up to two folders below. Raises InputError as `read_annotations`.
    """

    splits_in = "files of their own"

    def __init__(self, path: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        self.path = as_path(path)
        self._elsewhere = VideoFolders(videos_dirs)
        self._rows: Annotations = read_annotations(self.path, None)

    def narrations(self) -> pd.DataFrame:
        """Return no rows; see `Source`."""
        return pd.DataFrame({name: [] for name in NARRATION_COLUMNS})

    def videos(self) -> pd.DataFrame:
        """Return the videos of the file in its order, their lengths read from them; see `Source`."""
        return self._videos.copy(deep=False)

    def lexicon_dir(self) -> Path | None:
        """Return None: labels are no lexicon."""
        return None

    def fingerprint(self) -> dict[str, str]:
        """Return "size:sha256" of the file."""
        return {"labels": fingerprint(self.path)}

    def notes(self) -> list[str]:
        """Return how many videos there are, and how many of them on disk."""
        videos = self._videos
        on_disk = videos["path"].notna().sum()
        return [f"{self.path.name} names {len(videos):,} videos, {on_disk:,} of them on disk"]

    def looked_in(self) -> str:
        """Say where videos were looked for."""
        return looked_in([*self._elsewhere.folders, self.path.parent], "what the file of labels names")

    @cached_property
    def _videos(self) -> pd.DataFrame:
        known: dict[str, VideoFacts] = {}
        for uid, video in zip(self._rows.uid, self._rows.video, strict=True):
            if uid not in known:
                path = self._find(video)
                known[uid] = VideoFacts(path=None if path is None else str(path))
        with ThreadPoolExecutor(PROBE_THREADS) as pool:  # hundreds of thousands of files, on a server often
            list(pool.map(VideoFacts.probe, known.values()))
        return videos_table(known)

    def _find(self, video: str) -> AnyPath | None:
        beside = as_path(video) if "://" in video else self.path.parent / video
        named = self._elsewhere.named(video) or (beside if is_there(beside) else None)
        return named or self._files.get(video_name(video))

    @cached_property
    def _files(self) -> dict[str, AnyPath]:
        """Every video of the folders by its name without ending; the first folder wins."""
        files: dict[str, AnyPath] = {}
        for folder in (*self._elsewhere.folders, self.path.parent):
            for place in _BELOW:
                for path in sorted(folder.glob(place)):
                    if path.suffix.lower() in VIDEO_SUFFIXES:
                        files.setdefault(path.stem, path)
        return files
