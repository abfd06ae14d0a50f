"""A file of labels as a source of videos: those that it names, beside it or in folders that are named."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd

from egocurate.curation.labels.annotations import Annotations
from egocurate.curation.labels.read_annotations import read_annotations
from egocurate.curation.sources import NARRATION_COLUMNS
from egocurate.curation.sources.video_folders import NamedVideos, looked_in
from egocurate.curation.sources.videos_table import VideoFacts, probe_all, videos_table
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.paths import AnyPath, as_path


class LabelSource:
    """Read the videos that a file of labels names; there are no narrations.

    A video is looked for in `videos_dirs`, then from the folder of the file on: by its path, its file name, and its
    name without an ending, up to two folders below. Raises InputError as `read_annotations`.
    """

    splits_in = "files of their own"
    segmented = False

    def __init__(self, path: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        self.path = as_path(path)
        self._files = NamedVideos(self.path.parent, videos_dirs)
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
        return looked_in(self._files.folders, "what the file of labels names")

    @cached_property
    def _videos(self) -> pd.DataFrame:
        known: dict[str, VideoFacts] = {}
        for uid, video in zip(self._rows.uid, self._rows.video, strict=True):
            if uid not in known:
                path = self._files.find(video)
                known[uid] = VideoFacts(path=None if path is None else str(path))
        probe_all(known.values())
        return videos_table(known)
