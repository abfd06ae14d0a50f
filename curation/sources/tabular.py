"""What sources that are tables share: reading a table with named columns, and the frame of videos."""

from __future__ import annotations

import csv
import io
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import av
import numpy as np
import pandas as pd
import pyarrow as pa

from egocurate.curation.sources import VIDEO_COLUMNS
from egocurate.errors import InputError
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import AnyPath, as_path, read_bytes
from egocurate.storage.remote_file import media


@dataclass
class VideoFacts:
    """What is known of one video: its file, length in seconds (NaN unknown), picture in pixels (0 unknown), split."""

    path: str | None = None
    duration_sec: float = math.nan
    width: int = 0
    height: int = 0
    split: str = ""
    scenarios: tuple[str, ...] = ()

    def probe(self) -> None:
        """Fill in length and picture size from the file; leaves them unknown if it is absent or does not open."""
        if self.path is None:
            return
        try:
            with av.open(media(as_path(self.path))) as container:
                if container.duration:
                    self.duration_sec = container.duration / av.time_base
                for stream in container.streams.video[:1]:
                    self.width, self.height = stream.codec_context.width, stream.codec_context.height
        except (av.FFmpegError, OSError):
            return


def read_columns(path: AnyPath, needed: Sequence[str]) -> pd.DataFrame:
    """Read a csv (comma or tab, also .gz) as text, or a parquet file; raises InputError, naming a column that lacks."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a csv or parquet file with columns {', '.join(needed)}")
    try:
        if path.suffix == ".parquet":
            table = read_parquet(path).to_pandas()
        else:
            table = pd.read_csv(
                io.BytesIO(read_bytes(path)),
                sep=_separator(path),
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
                compression="gzip" if path.suffix == ".gz" else None,
            )
    except (ValueError, OSError, EOFError, csv.Error, zlib.error, pa.ArrowException) as error:
        first_line = str(error).partition("\n")[0]
        raise InputError(f"{path}: not a readable csv or parquet file ({first_line}); write it again") from error
    table.columns = [str(name).strip() for name in table.columns]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        have = ", ".join(table.columns[:12]) or "none"
        raise InputError(f"{path}: column {missing[0]!r} is missing (there are {have}); name a column so")
    return table


def video_frame(videos: Mapping[str, VideoFacts]) -> pd.DataFrame:
    """Return one row per video with the columns of `curation.sources`; each is a scene of its own, nothing redacted."""
    facts = list(videos.values())
    columns = {
        "video_uid": pd.Series(list(videos), dtype="str"),
        "video_dur": np.array([one.duration_sec for one in facts], np.float64),
        "path": pd.Series([one.path for one in facts], dtype=object),
        "is_stereo": np.zeros(len(facts), bool),
        "width": np.array([one.width for one in facts], np.int64),
        "height": np.array([one.height for one in facts], np.int64),
        "split": pd.Series([one.split for one in facts], dtype="str"),
        "fho_multi": np.zeros(len(facts), bool),
        "scenarios": pd.Series([list(one.scenarios) for one in facts], dtype=object),
        "scene": np.arange(len(facts), dtype=np.int64),
        "redacted": pd.Series([[] for _ in facts], dtype=object),
    }
    return pd.DataFrame(columns, columns=list(VIDEO_COLUMNS))


def _separator(path: AnyPath) -> str:
    if path.suffix == ".gz":
        return ","
    with path.open("rb") as file:
        header = file.readline()
    return "\t" if header.count(b"\t") > header.count(b",") else ","
