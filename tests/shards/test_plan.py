import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.plan import clip_key, plan_shards, shard_order
from shards.segments import fixed_segments


@given(st.lists(st.integers(1, 9), max_size=30), st.integers(1, 12))
def test_shards_hold_whole_neighbourhoods_and_are_filled_greedily(sizes, limit):
    neighbourhood = np.repeat(np.arange(len(sizes)) * 3 - 1, sizes)
    shard = plan_shards(neighbourhood, limit)
    expected, current, filled = [], 0, 0
    for size in sizes:
        if filled + size > limit and filled > 0:
            current, filled = current + 1, 0
        expected += [current] * size
        filled += size
    assert shard.dtype == np.int32
    assert shard.tolist() == expected


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="-"), max_size=60)


@given(st.lists(st.tuples(TEXT, TEXT, st.integers(0, 10**6)), min_size=2, max_size=6, unique=True))
def test_keys_are_safe_names_and_differ(names):
    keys = [clip_key(*name) for name in names]
    assert len(set(keys)) == len(keys)
    assert all(key.isascii() and len(key) <= 90 and not set(key) & set("./\\ \0") for key in keys)


def test_key_of_an_ego4d_narration_is_readable():
    uid = "00b3a2e1-aaaa-bbbb-cccc-0123456789ab"
    assert clip_key(uid, "narration_pass_1", 12) == f"{uid}-narration_pass_1-00012"


def test_order_is_by_video_neighbourhood_start_and_key():
    rows = [("b", 2, 1.0, "k1"), ("a", 1, 5.0, "k2"), ("a", 0, 9.0, "k3"), ("a", 1, 5.0, "k0"), ("a", 1, 4.0, "k9")]
    names = ["video_uid", "neighbourhood", "clip_start", "key"]
    table = pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)})
    assert shard_order(table).tolist() == [2, 4, 3, 1, 0]


def test_segments_tile_each_video_and_leave_out_what_is_not_whole():
    videos = pd.DataFrame({"video_uid": ["z", "a", "tiny"], "video_dur": [130.0, 12.0, 3.9]})
    table = fixed_segments(videos, seconds=4.0, stride=4.0)
    rows = table.to_pylist()
    assert [row["clip_idx"] for row in rows] == list(range(35))
    assert [(row["video_uid"], row["clip_start"], row["clip_end"]) for row in rows[:4]] == [
        ("a", 0.0, 4.0),
        ("a", 4.0, 8.0),
        ("a", 8.0, 12.0),
        ("z", 0.0, 4.0),
    ]
    assert len({row["key"] for row in rows}) == 35
    hoods = table["neighbourhood"].to_numpy()
    assert hoods.tolist() == [0] * 3 + [1] * 15 + [2] * 15 + [3] * 2
    assert all(row["text"] == "" and row["negatives"] == [] for row in rows)


@pytest.mark.parametrize(
    ("seconds", "stride", "starts"), [(4.0, 2.0, [0, 2, 4, 6]), (0.1, 5.0, [0, 5]), (20.0, 1.0, [])]
)
def test_segments_may_overlap_leave_gaps_or_not_fit(seconds, stride, starts):
    table = fixed_segments(pd.DataFrame({"video_uid": ["a"], "video_dur": [10.0]}), seconds, stride)
    assert table["clip_start"].to_pylist() == starts
