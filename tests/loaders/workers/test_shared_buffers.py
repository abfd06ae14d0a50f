"""Memory that batches cross in: lent to one at a time, free again when nothing looks at it, never a reason to wait."""

import gc
import pickle

import pytest
import torch

from egocurate.loaders.clip_stream import stream
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.workers.shared_buffers import SharedBuffers


def test_a_place_is_free_again_when_its_last_view_is_gone():
    buffers = SharedBuffers(2, (2, 3))
    first, second = buffers.reserve(), buffers.reserve()
    assert {first, second} == {0, 1} and buffers.reserve() is None
    buffers.writable(first).fill_(7)
    lent = buffers.lend(first)
    part = lent[1:]
    del lent
    gc.collect()
    assert buffers.reserve() is None and part.eq(7).all()
    del part
    gc.collect()
    assert buffers.reserve() == first


def test_frames_arrive_as_the_tensor_itself_with_channels_first():
    buffers = SharedBuffers(1, (2, 4, 5, 5, 3))
    buffer = buffers.reserve()
    buffers.writable(buffer).copy_(torch.arange(2 * 4 * 5 * 5 * 3).remainder(251).view(buffers.shape))
    sent = pickle.dumps(buffers.reference(buffer))
    assert len(sent) < 200
    arrived = pickle.loads(sent)
    assert arrived.shape == (2, 4, 3, 5, 5)
    assert torch.equal(arrived.movedim(-3, -1), buffers.writable(buffer))


@pytest.mark.slow
def test_batches_that_are_kept_are_never_written_over(shards):
    config = StreamConfig(size=32, workers=2)
    once = [batch.frames.clone() for batch in stream(shards, batch_size=4, config=config)]
    kept = [batch.frames for batch in stream(shards, batch_size=4, config=config)]  # more than there are places
    assert len(kept) > 2 * 2 + 4
    assert all(torch.equal(a, b) for a, b in zip(once, kept, strict=True))


def test_batches_that_are_dropped_come_in_the_same_few_places(shards):
    data = stream(shards, batch_size=4, size=32, workers=1)
    places = set()
    for batch in data:
        places.add(batch.frames.data_ptr())
        del batch
    assert len(places) <= 1 * 2 + 4 < len(data)
