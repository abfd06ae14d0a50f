from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from egocurate.errors import InputError
from egocurate.loaders.frame_sampling import dense, frame_sampler
from egocurate.loaders.order.counter_rng import Purpose, generator

NAMES = ["segments-random", "segments-middle", "uniform", "stride-1", "stride-3"]


@given(st.sampled_from(NAMES), st.integers(1, 400), st.integers(1, 32), st.integers(0, 2**63))
def test_picks_are_ascending_frames_of_the_clip(name, count, frames, sample):
    picked = frame_sampler(name)(count, frames, generator(0, 0, Purpose.VIEW, sample))
    assert picked.shape == (frames,) and picked.dtype == np.int64
    assert picked.min() >= 0 and picked.max() < count
    assert (np.diff(picked) >= 0).all()
    if name.startswith(("segments", "uniform")) and frames <= count and name != "segments-random":
        assert len(set(picked.tolist())) == frames


@given(st.integers(1, 400), st.integers(1, 32), st.integers(0, 2**63))
def test_random_segments_stay_in_their_parts(count, frames, sample):
    picked = frame_sampler("segments-random")(count, frames, generator(1, 2, Purpose.VIEW, sample))
    edges = np.arange(frames + 1) * count / frames
    assert (picked >= np.floor(edges[:-1])).all() and (picked <= edges[1:]).all()


def test_random_segments_reach_every_frame_evenly():
    pick = frame_sampler("segments-random")
    drawn = np.concatenate([pick(10, 4, generator(0, 0, Purpose.VIEW, sample)) for sample in range(4000)])
    counts = np.bincount(drawn, minlength=10)
    assert abs(counts / 1600 - 1).max() < 0.1


def test_known_picks():
    rng = generator(0, 0, Purpose.VIEW)
    assert frame_sampler("segments-middle")(8, 4, rng).tolist() == [1, 3, 5, 7]
    assert frame_sampler("segments-middle")(3, 4, rng).tolist() == [0, 1, 1, 2]
    assert frame_sampler("uniform")(9, 3, rng).tolist() == [0, 4, 8]
    assert frame_sampler("uniform")(9, 1, rng).tolist() == [4]
    assert frame_sampler("stride-2")(5, 4, rng).tolist() == [0, 2, 4, 4]
    assert {frame_sampler("stride-2")(9, 4, generator(0, 0, Purpose.VIEW, s))[0] for s in range(50)} == {0, 1, 2}


@pytest.mark.parametrize("name", ["", "stride-0", "stride-", "random"])
def test_unknown_names_are_refused(name):
    with pytest.raises(InputError, match="segments-random"):
        frame_sampler(name)


@given(st.integers(1, 400), st.integers(1, 32), st.integers(0, 2**40))
def test_segments_are_those_of_exact_arithmetic(count, frames, sample):
    middles = [int(Fraction(2 * part + 1, 2) * count / frames) for part in range(frames)]
    assert frame_sampler("segments-middle")(count, frames, generator(0, 0, Purpose.VIEW)).tolist() == middles
    draws = generator(5, 0, Purpose.VIEW, sample).random(frames).tolist()
    drawn = [int((part + Fraction(draw)) * count / frames) for part, draw in enumerate(draws)]
    assert frame_sampler("segments-random")(count, frames, generator(5, 0, Purpose.VIEW, sample)).tolist() == drawn


@pytest.mark.parametrize(("count", "frames", "stride"), [(20, 4, 4), (13, 4, 4), (32, 16, 1), (40, 16, 2)])
def test_every_start_of_a_stride_that_fits_is_as_likely(count, frames, stride):
    fitting = [list(range(s, count, stride))[:frames] for s in range(count) if s + (frames - 1) * stride < count]
    drawn = [
        frame_sampler(f"stride-{stride}")(count, frames, generator(0, 0, Purpose.VIEW, s)).tolist() for s in range(3000)
    ]
    share = {start[0]: sum(one == start for one in drawn) / 3000 for start in fitting}
    assert sum(share.values()) == pytest.approx(1), "all picks are among those that fit"
    assert all(abs(part * len(fitting) - 1) < 0.3 for part in share.values())


@given(st.integers(1, 30), st.integers(1, 20), st.integers(1, 5), st.integers(0, 1000))
def test_a_clip_too_short_for_its_stride_repeats_its_last_frame(count, frames, stride, sample):
    assume((frames - 1) * stride >= count)
    picked = frame_sampler(f"stride-{stride}")(count, frames, generator(0, 0, Purpose.VIEW, sample)).tolist()
    assert picked == [min(n * stride, count - 1) for n in range(frames)]


@given(
    st.integers(1, 3000),
    st.integers(1, 16),
    st.sampled_from(["0.5", "1", "1.87", "1.875", "4"]),
    st.sampled_from([8, 30]),
)
def test_dense_clips_are_the_frames_on_screen_at_their_instants(count, frames, rate, fps):
    got = dense(count, frames, rate=float(rate), fps=fps)
    seconds = Fraction(count, fps)
    length = min(1 / Fraction(rate), seconds)
    clips = int(seconds / length)
    assert got.shape == (clips, frames) and got.dtype == np.int64
    for n, clip in enumerate(got.tolist()):
        for part, frame in enumerate(clip):
            instant = (n + Fraction(2 * part + 1, 2 * frames)) * length * fps  # in frames
            # On the very edge between two frames either will do.
            assert frame <= instant < frame + 1 or (abs(instant - frame - 1) < 1e-9 and frame + 1 < count)


def test_known_dense_clips():
    assert dense(48, 4, rate=1.875, fps=30).tolist() == [[2, 6, 10, 14], [18, 22, 26, 30], [34, 38, 42, 46]]
    assert dense(63, 4, rate=1.875, fps=30).shape == (3, 4), "the tail is no clip"
    assert dense(3, 4, rate=1.875, fps=30).tolist() == [[0, 1, 1, 2]]
    assert dense(30 * 480, 4, rate=1.87, fps=30).shape == (897, 4), "an NLQ clip of eight minutes"
    for wrong in ({"rate": 0, "fps": 30}, {"rate": 1, "fps": float("nan")}):
        with pytest.raises(InputError, match="must be positive"):
            dense(10, 4, **wrong)
