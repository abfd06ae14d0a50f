import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from egocurate.clip_table import clip_key
from egocurate.shards.write.shard_plan import plan_shards, shard_order


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
