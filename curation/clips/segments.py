"""Cut videos into segments of equal length, without text, for models that learn from video alone."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from egocurate.clip_table import CLIP_SCHEMA, clip_key

SOURCE = "segments"
NEIGHBOURHOOD_SECONDS = 60.0


def fixed_segments(videos: pd.DataFrame, seconds: float, stride: float) -> pa.Table:
    """Return a clip table of the segments [i * stride, i * stride + seconds) that lie whole inside each video.

    `videos` has the columns video_uid, video_dur (seconds) and redacted (lists of (start, end) in seconds). A segment
    that touches a redacted stretch is left out, and so is a tail shorter than `seconds`. A video of unknown length gets
    its first segment alone: cut, it shows what is wrong. Text and tags are empty, the time is the middle, narration_ind
    is i, and a neighbourhood is a minute of one video.
    """
    videos = videos.sort_values("video_uid")
    duration = videos["video_dur"].fillna(seconds).to_numpy()
    # A rounding error in the length must not cost the last segment.
    counts = np.floor((duration - seconds) / stride + 1e-9).astype(np.int64).clip(min=-1) + 1
    video = np.repeat(np.arange(len(videos)), counts)
    ind = np.arange(len(video)) - np.repeat(np.cumsum(counts) - counts, counts)
    untouched = ~_touched(video, ind * stride, seconds, videos["redacted"].tolist())
    video, ind = video[untouched], ind[untouched]
    total, start = len(video), ind * stride
    middle = start + seconds / 2
    slot = np.floor(middle / NEIGHBOURHOOD_SECONDS).astype(np.int64)
    new_slot = (np.diff(video, prepend=-1) != 0) | (np.diff(slot, prepend=-1) != 0)
    uid = videos["video_uid"].to_numpy()[video]
    columns = {
        "clip_idx": np.arange(total),
        "video_uid": uid,
        "video_dur": duration[video],
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


def _touched(
    video: np.ndarray, start: np.ndarray, seconds: float, redacted: Sequence[Sequence[tuple[float, float]]]
) -> np.ndarray:
    """Tell which segments [start, start + seconds) meet a redacted stretch [begin, end] of their video (bool[N])."""
    touched = np.zeros(len(video), bool)
    for number, stretches in enumerate(redacted):
        first, last = np.searchsorted(video, [number, number + 1])
        for begin, end in stretches:
            touched[first:last] |= (start[first:last] <= end) & (start[first:last] + seconds > begin)
    return touched
