"""Rows of a clip table that cannot be clips are named."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.clip_table import CLIP_SCHEMA
from egocurate.curation.clips.read_clips import read_clips
from egocurate.curation.clips.segments import fixed_segments
from egocurate.errors import InputError
from tests.fuzz.test_clip_tables import table


def changed(name, row, value):
    values = table()[name].to_pylist()
    values[row] = value
    return table().set_column(CLIP_SCHEMA.names.index(name), name, pa.array(values, CLIP_SCHEMA.field(name).type))


@pytest.mark.parametrize(
    ("name", "row", "value", "words"),
    [
        ("clip_end", 2, float("nan"), "row 3: clip_end has nan, which is no time of a video"),
        ("narration_time", 0, -2e7, "row 1: narration_time has -20000000.0"),
        ("window_start", 1, float("inf"), "row 2: window_start has inf"),
        ("clip_idx", 3, 1, "row 4: clip_idx has 1, again"),
        ("clip_idx", 0, -1, "row 1: clip_idx has -1, which is no count"),
        ("narration_ind", 1, 3, "row 2: narration_ind has 3, again for its video and pass"),
        ("video_uid", 3, "", "row 4: video_uid has '', which is no name"),
        ("tag_verb", 1, [4, -12], r"row 2: tag_verb has \[4, -12\], with a number below 0"),
        ("negatives", 2, [-1], r"row 3: negatives has \[-1\]"),
        ("key", 2, "../../x", "row 3: key has '../../x', which is not made of video_uid"),
    ],
)
def test_a_row_that_cannot_be_a_clip_is_named(tmp_path, name, row, value, words):
    path = tmp_path / "egoclip.parquet"
    pq.write_table(changed(name, row, value), path)
    with pytest.raises(InputError, match=words):
        read_clips(path)


def test_what_is_taken_as_it_stands(tmp_path):
    path = tmp_path / "egoclip.parquet"
    for whole in (changed("clip_end", 0, 1.0), table().take([3, 1, 0, 2]), table().slice(0, 0), _segments()):
        pq.write_table(whole, path)
        assert read_clips(path).to_pylist() == whole.to_pylist()


def _segments():
    videos = pd.DataFrame({"video_uid": ["b", "a"], "video_dur": [9.0, np.nan], "redacted": [[], []]})
    return fixed_segments(videos, 4.0, 2.0)
