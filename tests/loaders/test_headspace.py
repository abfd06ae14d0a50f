import torch

from egocurate.loaders.clip_stream import stream
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.device import prefetch
from egocurate.loaders.headspace import Headspace

CONFIG = StreamConfig(frames=2, size=32, workers=0)


def open_stream(shards):
    return stream(shards, batch_size=10, config=CONFIG)


def test_repeats_the_first_batches_for_a_whole_epoch(shards):
    true = list(open_stream(shards).epoch(0))
    shown = list(Headspace(open_stream(shards).epoch(0), cached=3))
    assert len(shown) == len(true) == 7
    for step, batch in enumerate(shown):
        assert torch.equal(batch.frames, true[step % 3].frames)


def test_an_epoch_shorter_than_the_cache(shards):
    data = open_stream(shards)
    data.seek(0, 5)
    assert len(list(Headspace(data.epoch(0), cached=4))) == 2


def test_the_streams_step_counts_what_was_handed_out(shards):
    data = open_stream(shards)
    batches = prefetch(Headspace(data.epoch(0), cached=3), "cpu")
    next(batches)
    next(batches)
    assert data.state_dict()["step"] == 2
    assert len(list(batches)) == 5
    assert (data.state_dict()["epoch"], data.state_dict()["step"]) == (1, 0)
