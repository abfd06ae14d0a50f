"""Features of long videos in folders: rows of `curate features`, or anybody's .pt and .npy files, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from egocurate.errors import InputError
from egocurate.storage.json_notes import read_note
from egocurate.training.tasks.feature_files import FORMS, read_rows
from egocurate.training.tasks.features import MADE_BY

RATE = 1.875
"""rows per second of Ego4D's features: one for each 16 of 30 frames"""

UNEVEN_ROWS = 2
"""rows by which folders may differ in the length of one video, and a clip may reach beyond its features"""


class BadFeatures(Exception):  # noqa: N818 (reads as what it is)
    """A video's features that cannot be used; `str()` is one line."""


@dataclass
class FeatureFolders:
    """Folders with `<video>.pt`, .npy or .parquet, float32 [N, D]; row n is of [n, n + 1) / rate seconds."""

    folders: Sequence[Path]
    rate: float
    widths: list[int] = field(default_factory=list)
    """of each folder, known from the first video on"""

    def rows(self, video: str) -> np.ndarray:
        """Return the rows of a video, the folders' side by side, float32 [N, sum of D]; raises BadFeatures."""
        parts = [self._read(folder, video) for folder in self.folders]
        lengths = [len(part) for part in parts]
        if max(lengths) - min(lengths) > UNEVEN_ROWS:
            raise BadFeatures(f"{video}: {lengths} rows in the folders, so their rates differ")
        widths = [part.shape[1] for part in parts]
        self.widths = self.widths or widths
        if widths != self.widths:
            raise BadFeatures(f"{video}: {widths} wide, the first video {self.widths}")
        return np.concatenate([part[: min(lengths)] for part in parts], 1)

    def of_clip(self, video: np.ndarray, start_sec: float, end_sec: float) -> tuple[np.ndarray, int]:
        """Return the rows of a stretch of a video, and which the first is; raises BadFeatures where there are none."""
        first, end = int(start_sec * self.rate + 1e-6), int(np.ceil(end_sec * self.rate - 1e-6))
        if end - len(video) > max(UNEVEN_ROWS, 0.05 * (end - first)):
            raise BadFeatures(
                f"has features to {len(video) / self.rate:.1f} s, asked to {end_sec:.1f} s: another rate?"
            )
        if not len(video[first:end]):
            raise BadFeatures(f"has no features from {start_sec:.1f} to {end_sec:.1f} s")
        return video[first:end], first

    def _read(self, folder: Path, video: str) -> np.ndarray:
        if Path(video).name != video or video in ("", ".", ".."):
            raise BadFeatures(f"{video!r}: is no name of a file")
        path = next((path for form in FORMS if (path := folder / f"{video}.{form}").is_file()), None)
        if path is None:
            raise BadFeatures(f"{video}: has no features in {folder}")
        try:
            rows = read_rows(path)
        except InputError as error:
            raise BadFeatures(str(error).partition(";")[0]) from error
        if not len(rows) or not np.isfinite(rows).all():
            raise BadFeatures(f"{path}: " + ("has no row" if not len(rows) else "holds numbers that are not finite"))
        return rows


def open_features(folders: Sequence[Path], rate: float | None) -> FeatureFolders:
    """Open folders of one rate: that which `curate features` noted, `rate`, or Ego4D's 1.875.

    Raises InputError for a folder that is not there, and for two rates.
    """
    rates: dict[float, str] = {} if rate is None else {rate: "--rate"}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"--features {folder}: there is no such folder; `curate features` writes one")
        note = folder / MADE_BY
        noted = read_note(note, dict).get("rate") if note.is_file() else None
        if isinstance(noted, int | float) and noted > 0:
            rates.setdefault(float(noted), str(folder))
    if len(rates) > 1:
        said = ", ".join(f"{value:g} in {whose}" for value, whose in rates.items())
        raise InputError(f"features of different rates: {said}; make them at one (`curate features --rate`)")
    return FeatureFolders(folders, next(iter(rates), RATE))
