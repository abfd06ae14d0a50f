import numpy as np

from benchmarks import shuffle


def test_mates_of_a_full_shuffle_meet_by_chance(monkeypatch):
    def full(shard, neighbourhood, *, seed, epoch, global_batch):
        steps = len(shard) // global_batch
        return np.random.default_rng(epoch).permutation(len(shard))[: steps * global_batch].reshape(steps, -1)

    monkeypatch.setattr(shuffle, "epoch_order", full)
    whole, slices, _ = shuffle.meetings(shuffle.invent(50_000), 512)
    assert 0.95 < whole["value"] < 1.05 and 0.8 < slices["value"] < 1.2


def test_mates_of_an_order_that_stays_always_meet(monkeypatch):
    def same(shard, neighbourhood, *, seed, epoch, global_batch):
        return np.arange(len(shard) // global_batch * global_batch).reshape(-1, global_batch)

    monkeypatch.setattr(shuffle, "epoch_order", same)
    whole = shuffle.meetings(shuffle.invent(51_200), 512)[0]
    assert round(whole["value"], 3) == round(51_199 / 511, 3)
