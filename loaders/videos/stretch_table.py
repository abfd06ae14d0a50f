"""A table of stretches of videos, csv or parquet: which video, from when to when, and what the stretch is called."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from egocurate.errors import InputError
from egocurate.loaders.videos.long_videos import SUFFIXES
from egocurate.loaders.videos.stretches import Stretch, length_sec
from egocurate.storage.csv_file import read_csv
from egocurate.storage.fingerprint import value_fingerprint
from egocurate.storage.typed_parquet import read_typed

COLUMNS = ("video", "start_sec", "end_sec")
NAME = "name"
_SCHEMA = pa.schema(
    [("video", pa.string()), ("start_sec", pa.float64()), ("end_sec", pa.float64()), (NAME, pa.string())]
)


@dataclass(frozen=True)
class StretchTable:
    """N stretches in the order of their file: the name of the video, (start, end) in seconds, a name or ""."""

    path: Path
    videos: list[str]
    stretches: list[Stretch]
    names: list[str]

    def __len__(self) -> int:
        """Return N."""
        return len(self.videos)

    @property
    def digest(self) -> str:
        """What tells this table from another."""
        return value_fingerprint([self.videos, self.stretches, self.names])

    def rows_of_videos(self) -> dict[str, list[int]]:
        """Return the rows of each video, in order."""
        rows: dict[str, list[int]] = {}
        for row, video in enumerate(self.videos):
            rows.setdefault(video, []).append(row)
        return rows


def read_stretches(path: Path, videos: dict[str, Path]) -> StretchTable:
    """Read a table with columns video, start_sec, end_sec, and name if it has one; video with a suffix or without.

    videos: those there are, by name. Raises InputError, naming the row, for a table that cannot be read or has no row,
    a column that is missing, a time that is no number, an end that is not after the start, and an unknown video.
    """
    names_of_videos, stretches, names = [], [], []
    for where, (video, start, end, name) in _rows(path):
        try:
            stretch = float(start), float(end)
        except ValueError as error:
            raise InputError(f"{where}: {start!r} to {end!r} are no seconds; write numbers such as 12.5") from error
        if not (0 <= stretch[0] < stretch[1] < math.inf):
            raise InputError(f"{where}: a stretch from {start} to {end} s; give 0 <= start_sec < end_sec")
        names_of_videos.append(_known(where, video, videos))
        stretches.append(stretch)
        names.append(name)
    if not stretches:
        raise InputError(f"{path}: no rows; each is a stretch with {', '.join(COLUMNS)}")
    return StretchTable(path, names_of_videos, stretches, names)


def check_lengths(table: StretchTable, videos: dict[str, Path]) -> None:
    """Raise InputError for a stretch that begins at the end of its video or beyond; videos that do not say are left."""
    for video, rows in table.rows_of_videos().items():
        if video not in videos:
            continue
        try:
            seconds = length_sec(videos[video])
        except InputError:
            continue  # named as bad where it is to be read
        beyond = next((row for row in rows if table.stretches[row][0] >= seconds), None)
        if beyond is not None:
            start, end = table.stretches[beyond]
            raise InputError(
                f"{table.path}: row {beyond + 1}, {start:g} to {end:g} s, lies outside {videos[video]}, "
                f"which has {seconds:g} s"
            )


def _rows(path: Path) -> Iterator[tuple[str, tuple[object, object, object, str]]]:
    """Yield where each row stands, for messages, and its cells."""
    if path.suffix == ".parquet":
        table = read_typed(path, _SCHEMA, optional=(NAME,), nullable=(NAME,))
        for row, cells in enumerate(table.to_pylist()):
            yield f"{path}: row {row + 1}", (*(cells[name] for name in COLUMNS), cells.get(NAME) or "")
        return
    try:
        file = read_csv(path, separators=",;\t")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a csv or parquet file of stretches") from error
    places = file.places(path, [*COLUMNS, *((NAME,) if NAME in file.header else ())])
    for line, cells in zip(file.lines, file.rows, strict=True):
        video, start, end, *name = (cells[place].strip() for place in places)
        yield f"{path}: line {line}", (video, start, end, "".join(name))


def _known(where: str, video: str, videos: dict[str, Path]) -> str:
    bare = Path(video).stem if Path(video).suffix.lower() in SUFFIXES else video
    for name in (video, bare):
        if name in videos:
            return name
    raise InputError(
        f"{where}: video {video!r} is not among the {len(videos):,} of --videos, as {next(iter(videos))!r}"
    )
