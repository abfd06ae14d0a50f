"""`videos.parquet`: what a source knows of the videos of a run, kept beside the tables made from them."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from egocurate.storage.atomic import atomic_write
from egocurate.storage.paths import AnyPath, make_folder

VIDEO_FACTS_FILE = "videos.parquet"
_COLUMNS = ("video_uid", "video_dur", "is_stereo", "width", "height", "split", "fho_multi", "scene")


def write_video_facts(videos: pd.DataFrame, out: AnyPath) -> None:
    """Write the videos of a source (`Source.videos`) without their paths, which only one machine knows."""
    columns = {name: pa.array(videos[name]) for name in _COLUMNS}
    columns["scenarios"] = pa.array(videos["scenarios"].tolist(), pa.list_(pa.string()))
    table = pa.table(columns)
    make_folder(out)
    atomic_write(out / VIDEO_FACTS_FILE, lambda file: pq.write_table(table, file))
