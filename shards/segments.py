"""Cut videos into segments of equal length, without text, for models that learn from video alone."""

import numpy as np
import pandas as pd
import pyarrow as pa

from shards.plan import clip_key
from shards.schema import CLIP_SCHEMA

SOURCE = "segments"
NEIGHBOURHOOD_SECONDS = 60.0


def fixed_segments(videos: pd.DataFrame, seconds: float, stride: float) -> pa.Table:
    """Return a clip table of the segments [i * stride, i * stride + seconds) that lie whole inside each video.

    `videos` has the columns video_uid and video_dur (seconds). Text and tags are empty, the time is the middle, and a
    neighbourhood is a minute of one video.
    """
    videos = videos.sort_values("video_uid")
    # A rounding error in the length must not cost the last segment.
    counts = np.floor((videos["video_dur"].to_numpy() - seconds) / stride + 1e-9).astype(np.int64).clip(min=-1) + 1
    total = int(counts.sum())
    video = np.repeat(np.arange(len(videos)), counts)
    ind = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    start = ind * stride
    middle = start + seconds / 2
    slot = np.floor(middle / NEIGHBOURHOOD_SECONDS).astype(np.int64)
    new_slot = (np.diff(video, prepend=-1) != 0) | (np.diff(slot, prepend=-1) != 0)
    uid = videos["video_uid"].to_numpy()[video]
    columns = {
        "clip_idx": np.arange(total),
        "video_uid": uid,
        "video_dur": videos["video_dur"].to_numpy()[video],
        "narration_source": [SOURCE] * total,
        "narration_ind": ind,
        "narration_time": middle,
        "clip_start": start,
        "clip_end": start + seconds,
        "clip_text": [""] * total,
        "tag_verb": [[]] * total,
        "tag_noun": [[]] * total,
        "key": [clip_key(u, SOURCE, i) for u, i in zip(uid, ind.tolist(), strict=True)],
        "text": [""] * total,
        "window_start": start,
        "window_end": start + seconds,
        "neighbourhood": np.cumsum(new_slot) - 1,
        "negatives": [[]] * total,
    }
    return pa.table({name: pa.array(columns[name], CLIP_SCHEMA.field(name).type) for name in CLIP_SCHEMA.names})
