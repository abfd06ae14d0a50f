import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loaders.frames import picker
from loaders.randomness import Purpose, generator
from shards.errors import InputError

NAMES = ["segments-random", "segments-middle", "uniform", "stride-1", "stride-3"]


@given(st.sampled_from(NAMES), st.integers(1, 400), st.integers(1, 32), st.integers(0, 2**63))
def test_picks_are_ascending_frames_of_the_clip(name, count, frames, sample):
    picked = picker(name)(count, frames, generator(0, 0, Purpose.VIEW, sample))
    assert picked.shape == (frames,) and picked.dtype == np.int64
    assert picked.min() >= 0 and picked.max() < count
    assert (np.diff(picked) >= 0).all()
    if name.startswith(("segments", "uniform")) and frames <= count and name != "segments-random":
        assert len(set(picked.tolist())) == frames


@given(st.integers(1, 400), st.integers(1, 32), st.integers(0, 2**63))
def test_random_segments_stay_in_their_parts(count, frames, sample):
    picked = picker("segments-random")(count, frames, generator(1, 2, Purpose.VIEW, sample))
    edges = np.arange(frames + 1) * count / frames
    assert (picked >= np.floor(edges[:-1])).all() and (picked <= edges[1:]).all()


def test_random_segments_reach_every_frame_evenly():
    pick = picker("segments-random")
    drawn = np.concatenate([pick(10, 4, generator(0, 0, Purpose.VIEW, sample)) for sample in range(4000)])
    counts = np.bincount(drawn, minlength=10)
    assert abs(counts / 1600 - 1).max() < 0.1


def test_known_picks():
    rng = generator(0, 0, Purpose.VIEW)
    assert picker("segments-middle")(8, 4, rng).tolist() == [1, 3, 5, 7]
    assert picker("segments-middle")(3, 4, rng).tolist() == [0, 1, 1, 2]
    assert picker("uniform")(9, 3, rng).tolist() == [0, 4, 8]
    assert picker("uniform")(9, 1, rng).tolist() == [4]
    assert picker("stride-2")(5, 4, rng).tolist() == [0, 2, 4, 4]
    assert {picker("stride-2")(9, 4, generator(0, 0, Purpose.VIEW, s))[0] for s in range(50)} == {0, 1, 2}


@pytest.mark.parametrize("name", ["", "stride-0", "stride-", "random"])
def test_unknown_names_are_refused(name):
    with pytest.raises(InputError, match="segments-random"):
        picker(name)
