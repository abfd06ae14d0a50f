"""Workers by cores and memory, on machines that are not there, and what a run says of them."""

from dataclasses import replace

import pytest

from egocurate.errors import InputError
from egocurate.loaders.clip_stream import stream
from egocurate.loaders.config import AUTO_WORKERS, StreamConfig
from egocurate.loaders.presets import PRESETS
from egocurate.loaders.workers.choose_workers import (
    HOST_SHARE,
    MOST_LOCKED,
    batch_bytes,
    batches_ahead,
    choose_workers,
    held_batches,
    locked_bytes,
    with_workers,
    workers_line,
)
from egocurate.loaders.workers.host import Machine, this_rank

GIB = 2**30


def chosen(name, anchors, cores, memory):
    config = with_workers(replace(PRESETS[name], workers=AUTO_WORKERS), anchors, Machine(cores, memory * GIB))
    ahead = batches_ahead(config.workers, batch_bytes(config, anchors), memory * GIB)
    return config.workers, ahead


def test_a_node_of_eight_gpus():
    """A rank of eight has 16 of its cores and 256 of its GiB: of VideoPrism's batches, 2 GB each, eight are locked."""
    assert batch_bytes(PRESETS["egovlp"], 64) == 2 * 64 * 4 * 224 * 224 * 3
    assert chosen("egovlp", 64, 16, 256) == (15, 2)
    assert chosen("videomae", 128, 16, 256) == (15, 2)
    assert chosen("videoprism-stage1", 512, 16, 256) == (8, 1)


@pytest.mark.parametrize("cores", [1, 2, 16, 64])
@pytest.mark.parametrize("memory", [1, 64, 256, 2048])
@pytest.mark.parametrize("name", ["egovlp", "videomae", "videoprism-stage1"])
def test_what_is_on_its_way_is_bounded(name, cores, memory):
    for anchors in (1, 32, 512):
        workers, ahead = chosen(name, anchors, cores, memory)
        assert 1 <= workers <= max(1, cores - 1)
        held = held_batches(workers, ahead) * batch_bytes(PRESETS[name], anchors)
        assert held <= HOST_SHARE * memory * GIB or (workers, ahead) == (1, 1)
        locked = workers * ahead * locked_bytes(batch_bytes(PRESETS[name], anchors))
        assert locked <= MOST_LOCKED or (workers, ahead) == (1, 1)


def test_one_worker_more_would_not_fit_or_has_no_core():
    assert choose_workers(Machine(64, 100), 1) == 10  # 25 less the 4 in use, two of each
    assert choose_workers(Machine(8, 100), 1) == 7
    assert choose_workers(Machine(8, 100), 50) == 1


def test_a_number_that_was_given_stays():
    assert with_workers(StreamConfig(workers=0), 4).workers == 0
    assert with_workers(StreamConfig(workers=3), 4).workers == 3
    with pytest.raises(InputError, match="workers -2 a number or -1 for as many as fit"):
        StreamConfig(workers=-2)


def test_a_line_says_what_was_chosen():
    config = with_workers(replace(PRESETS["videomae"], workers=AUTO_WORKERS), 128, Machine(16, 256 * GIB))
    line = workers_line(config, 128, Machine(16, 256 * GIB))
    assert line.startswith("data.workers=15 for a rank's 16 cores; ")
    assert "up to 18.4 GiB of the host's memory, with 15.0 GiB page-locked" in line


def test_memory_is_locked_in_powers_of_two():
    assert [locked_bytes(size) for size in (1, 2, 3, 1024, 1025)] == [1, 2, 4, 1024, 2048]


def test_a_stream_finds_its_number(shards):
    found = stream(shards, batch_size=4, workers=AUTO_WORKERS).config.workers
    assert found == max(1, this_rank().cores - 1)
