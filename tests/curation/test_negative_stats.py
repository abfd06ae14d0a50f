import numpy as np
import pyarrow as pa
import pytest

from curation.negative_stats import QUANTILES, negative_stats

INTS = pa.list_(pa.int64())


def table_of(negatives, time, verbs, nouns, numbers=None, source=None):
    count = len(time)
    return pa.table(
        {
            "clip_idx": numbers or list(range(count)),
            "narration_time": time,
            "narration_source": source or ["narration_pass_1"] * count,
            "tag_verb": pa.array(verbs, INTS),
            "tag_noun": pa.array(nouns, INTS),
            "negatives": pa.array(negatives, INTS),
        }
    )


def test_counts_distances_and_overlap_of_a_small_table():
    stats = negative_stats(
        table_of(
            negatives=[[20, 30], [10], [], [10]],
            time=[0.0, 4.0, 50.0, 10.0],
            verbs=[[1, 2], [2], [5], [3]],
            nouns=[[7], [8], [7], [7]],
            numbers=[10, 20, 40, 30],  # clip_idx need not be the row
            source=["a", "a", "a", "b"],
        )
    )
    assert (stats["clips"], stats["pairs"]) == (4, 4)
    assert stats["clips_with"].tolist() == [0.25, 0.5, 0.25]
    assert stats["distance_sec"][[0, 3, 6]].tolist() == [4.0, 7.0, 10.0]  # of 4, 10, 4, 10
    assert stats["share_verb"] == 0.5
    assert stats["share_noun"] == 0.5
    assert stats["share_pass"] == 0.5


def test_a_large_table_is_sampled_evenly(monkeypatch):
    monkeypatch.setattr("curation.negative_stats._PAIRS", 10)
    count = 100
    half = [[0] if row % 10 < 5 else [1] for row in range(count)]
    stats = negative_stats(
        table_of([[(row + 10) % count] for row in range(count)], [float(row) for row in range(count)], half, half)
    )
    assert stats["pairs"] == count
    assert stats["share_verb"] == 1.0
    assert np.isclose(stats["distance_sec"][3], 10.0)


@pytest.mark.parametrize("count", [0, 3])
def test_without_a_pair_nothing_is_known(count):
    stats = negative_stats(table_of(*([[[]] * count] + [[1.0] * count] + [[[]] * count] * 2)))
    assert stats["pairs"] == 0
    assert stats["clips_with"].sum() == (1.0 if count else 0.0)
    assert len(stats["distance_sec"]) == len(QUANTILES)
    assert np.isnan(stats["distance_sec"]).all()
    assert np.isnan([stats["share_verb"], stats["share_noun"]]).all()
