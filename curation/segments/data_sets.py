"""The sources of segments that a file alone makes: a table of them, and LaViLa's pickles."""

from __future__ import annotations

from collections.abc import Sequence

from egocurate.curation.segments.lavila import read_lavila
from egocurate.curation.segments.read_table import read_segments_table
from egocurate.curation.segments.source import SegmentSource
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath, as_path


class TableOfSegments(SegmentSource):
    """Read a csv, tsv, parquet or jsonl file with video, start_sec, end_sec and text; see `read_segments_table`."""

    def __init__(self, path: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        super().__init__(read_segments_table(_file(as_path(path))), videos_dirs)


class LaViLaSource(SegmentSource):
    """Read a pickle of LaViLa's narrator; its first text of a clip is the clip's, the others are further captions."""

    def __init__(self, path: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        super().__init__(read_lavila(_file(as_path(path))), videos_dirs)


def _file(path: AnyPath) -> AnyPath:
    if path.is_dir():
        raise InputError(
            f"{path}: is a folder; give the file of segments, and the folder of the videos by --videos-dir"
        )
    return path
