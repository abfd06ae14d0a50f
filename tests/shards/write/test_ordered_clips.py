import numpy as np
import pyarrow as pa
import pytest

from egocurate.shards.write import ordered_clips
from egocurate.shards.write.ordered_clips import OrderedClips
from egocurate.shards.write.plan_digests import plan_digests


def table(rows=60, chunk=7):
    names = [f"clip{n:03d}" * (n % 4) for n in range(rows)]
    whole = pa.table({"key": names, "number": list(range(rows)), "tags": [[n] * (n % 3) for n in range(rows)]})
    return pa.concat_tables([whole.slice(first, chunk) for first in range(0, rows, chunk)])


@pytest.mark.parametrize("near", [True, False])
def test_clips_come_in_their_order(monkeypatch, near):
    monkeypatch.setattr(ordered_clips, "PIECE_CLIPS", 11)
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.permutation(20) + first for first in (0, 20, 40)]) if near else rng.permutation(60)[:50]
    bounds = np.arange(0, len(rows) + 1, 2)
    clips, expected = OrderedClips.in_shards(table(), rows, bounds), table().take(rows)
    assert (clips.rows is rows) == near, "only a table in which shards stand far apart is copied"
    assert len(clips) == len(rows) and np.array_equal(clips.numbers("number"), rows)
    for places in (np.arange(3, 9), np.array([30, 2, 2]), np.arange(0)):
        assert clips.take(places).to_pylist() == expected.take(places).to_pylist()
        assert clips.take(places, ["tags"]).to_pylist() == expected.take(places).select(["tags"]).to_pylist()
    for name in ("key", "tags"):
        assert [value for piece in clips.pieces(name) for value in piece.to_pylist()] == expected[name].to_pylist()


def test_no_clips_and_empty_shards():
    empty = OrderedClips.in_shards(table(), np.arange(0), np.zeros(3, int))
    assert len(empty) == 0 and len(empty.take(np.arange(0))) == 0 and list(empty.pieces("key")) == []
    some = OrderedClips.in_shards(table(), np.array([5, 4]), np.array([0, 0, 2, 2]))
    assert some.take(np.arange(2))["number"].to_pylist() == [5, 4]


def test_digests_are_those_of_the_values_however_the_clips_lie(monkeypatch, clip_table_of_plan):
    clips, order = clip_table_of_plan
    monkeypatch.setattr(ordered_clips, "PIECE_CLIPS", 3)
    pieces = pa.concat_tables([clips.slice(first, 2) for first in range(0, len(clips), 2)])
    lying = plan_digests(OrderedClips(pieces, order), {"a": 1})
    assert lying == plan_digests(OrderedClips(clips.take(order), np.arange(len(order))), {"a": 1})
    assert lying != plan_digests(OrderedClips(clips, order[::-1]), {"a": 1})


@pytest.fixture
def clip_table_of_plan(make_clips):
    clips = make_clips([("cook", 0.6 * n, 0.6 * n + 1) for n in range(15)])
    return clips, np.random.default_rng(1).permutation(len(clips))
