import pytest

from benchmarks.huge_index import measure


def test_every_step_is_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    figures = measure(tmp_path, 20_000)
    what = [row["what"] for row in figures]
    assert len(what) == len(set(what)) == 13 and all(name.startswith("20,000 clips: ") for name in what)
    assert all(row["value"] >= 0 for row in figures)


@pytest.mark.parametrize("batch", [64, 512])
def test_mates_of_a_full_shuffle_meet_by_chance(monkeypatch, batch):
    import numpy as np

    from benchmarks import shuffle

    def full(shard, neighbourhood, *, seed, epoch, global_batch):
        steps = len(shard) // global_batch
        return np.random.default_rng(epoch).permutation(len(shard))[: steps * global_batch].reshape(steps, -1)

    monkeypatch.setattr(shuffle, "epoch_order", full)
    for row in shuffle.meetings(shuffle.invent(50_000), batch)[: 2 if batch == 512 else 1]:
        assert 0.8 < row["value"] < 1.2
