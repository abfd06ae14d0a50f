"""The table of a source's videos: its columns, what is known of one video, and `videos.parquet`, which keeps it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import av
import numpy as np
import pandas as pd
import pyarrow as pa

from egocurate.storage.atomic import atomic_write
from egocurate.storage.fingerprint import value_fingerprint
from egocurate.storage.open_video import open_video, video_stream
from egocurate.storage.parquet import write_parquet
from egocurate.storage.paths import AnyPath, as_path, make_folder

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

PROBE_THREADS = 16
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
            with open_video(as_path(self.path)) as container:
                if container.duration:
                    self.video_dur = container.duration / av.time_base
                if not self.width:
                    stream = video_stream(container)
                    self.width, self.height = stream.width, stream.height
        except (av.FFmpegError, OSError):
            return


def probe_all(videos: Iterable[VideoFacts]) -> None:
    """Read what is not known of many videos from their files."""
    with ThreadPoolExecutor(PROBE_THREADS) as pool:  # hundreds of thousands of files, on a server often
        list(pool.map(VideoFacts.probe, videos))


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


def facts_fingerprint(videos: pd.DataFrame) -> str:
    """Return a digest of what is known of the videos, wherever they lie; lengths may come from the files themselves."""
    return value_fingerprint({name: videos[name].tolist() for name in VIDEO_COLUMNS if name != "path"})


def stereo_fingerprint(videos: pd.DataFrame) -> str:
    """Return a digest of which videos hold two pictures side by side: of these, clips show one."""
    return value_fingerprint(sorted(videos["video_uid"][videos["is_stereo"]]))


def write_video_facts(videos: pd.DataFrame, out: AnyPath) -> None:
    """Write the videos of a source (`Source.videos`) without their paths, which only one machine knows."""
    columns = {name: pa.array(videos[name]) for name in _PLAIN}
    columns["scenarios"] = pa.array(videos["scenarios"].tolist(), pa.list_(pa.string()))
    table = pa.table(columns)
    make_folder(out)
    atomic_write(out / VIDEO_FACTS_FILE, lambda file: write_parquet(table, file))
