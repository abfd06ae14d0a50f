"""The table of a source's videos: its columns, what is known of one video, and `videos.parquet`, which keeps it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import av
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from egocurate.storage.atomic import atomic_write
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import AnyPath, as_path, make_folder
from egocurate.storage.remote_file import media

VIDEO_COLUMNS = (
    "video_uid",
    "video_dur",
    "path",
    "is_stereo",
    "width",
    "height",
    "split",
    "fho_multi",
    "scenarios",
    "scene",
    "redacted",
)
"""Columns of `Source.videos`, which says what they hold."""

VIDEO_FACTS_FILE = "videos.parquet"
_PLAIN = tuple(name for name in VIDEO_COLUMNS if name not in ("path", "scenarios", "redacted"))


@dataclass
class VideoFacts:
    """What is known of one video: its file, seconds (NaN unknown), pixels (0 unknown), and what its data set says."""

    path: str | None = None
    video_dur: float = math.nan
    is_stereo: bool = False
    width: int = 0
    height: int = 0
    split: str = ""
    fho_multi: bool = False
    scenarios: Sequence[str] = ()
    redacted: Sequence[tuple[float, float]] = ()

    def probe(self) -> None:
        """Read the length, and the picture size, from the file where the length is not known.

        They stay unknown if the file is absent or does not open. The length is that of the container.
        """
        if self.path is None or self.video_dur > 0:
            return
        try:
            with av.open(media(as_path(self.path))) as container:
                if container.duration:
                    self.video_dur = container.duration / av.time_base
                for stream in container.streams.video[:1]:
                    if not self.width:
                        self.width, self.height = stream.codec_context.width, stream.codec_context.height
        except (av.FFmpegError, OSError):
            return


def videos_table(videos: Mapping[str, VideoFacts], scenes: np.ndarray | None = None) -> pd.DataFrame:
    """Return one row per video, by uid, with VIDEO_COLUMNS; without `scenes` int64 [N] each is a scene of its own."""
    facts = list(videos.values())
    columns = {
        "video_uid": pd.Series(list(videos), dtype="str"),
        "video_dur": np.array([one.video_dur for one in facts], np.float64),
        "path": pd.Series([one.path for one in facts], dtype=object),
        "is_stereo": np.array([one.is_stereo for one in facts], bool),
        "width": np.array([one.width for one in facts], np.int64),
        "height": np.array([one.height for one in facts], np.int64),
        "split": pd.Series([one.split for one in facts], dtype="str"),
        "fho_multi": np.array([one.fho_multi for one in facts], bool),
        "scenarios": pd.Series([list(one.scenarios) for one in facts], dtype=object),
        "scene": np.arange(len(facts), dtype=np.int64) if scenes is None else scenes,
        "redacted": pd.Series([list(one.redacted) for one in facts], dtype=object),
    }
    return pd.DataFrame(columns, columns=list(VIDEO_COLUMNS))


def write_video_facts(videos: pd.DataFrame, out: AnyPath) -> None:
    """Write the videos of a source (`Source.videos`) without their paths, which only one machine knows."""
    table = _facts(videos)
    make_folder(out)
    atomic_write(out / VIDEO_FACTS_FILE, lambda file: pq.write_table(table, file))


def are_facts_written(videos: pd.DataFrame, out: AnyPath) -> bool:
    """Tell whether what `write_video_facts` has written in `out` still holds: a video that comes tells its length."""
    path = out / VIDEO_FACTS_FILE
    # As text, in which a length that is not known equals itself.
    return not path.exists() or str(read_parquet(path).to_pylist()) == str(_facts(videos).to_pylist())


def _facts(videos: pd.DataFrame) -> pa.Table:
    columns = {name: pa.array(videos[name]) for name in _PLAIN}
    columns["scenarios"] = pa.array(videos["scenarios"].tolist(), pa.list_(pa.string()))
    return pa.table(columns)
