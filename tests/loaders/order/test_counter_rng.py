import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from egocurate.loaders.order.counter_rng import Purpose, below, generator, permutation


def test_streams_are_told_apart_by_every_part_of_their_name():
    names = [
        (seed, epoch, purpose, sample)
        for seed in (-1, 0, 1, 2**64 - 2)
        for epoch in (0, 1)
        for purpose in Purpose
        for sample in (0, 1, 5)
    ]
    draws = {generator(*name).random(4).tobytes() for name in names}
    assert len(draws) == len(names)
    assert generator(1, 2, Purpose.VIEW, 3).random() == generator(1, 2, Purpose.VIEW, 3).random()


def test_numbers_are_those_of_philox_for_good():
    # Written down: another value means that every saved run changes.
    assert generator(1, 2, Purpose.VIEW, 3).random(3).tolist() == [
        0.7392729637493114,
        0.1727219477163251,
        0.5406288079021218,
    ]


@given(st.integers(0, 50))
def test_a_stream_is_gone_on_with_after_any_number_of_draws(drawn):
    expected = generator(-1, 2, Purpose.ORDER, 3).random(drawn + 9)[drawn:]
    assert np.array_equal(generator(-1, 2, Purpose.ORDER, 3, drawn=drawn).random(9), expected)


@given(st.integers(1, 200), st.integers(0, 2**32))
def test_permutation_and_below(n, sample):
    rng = generator(0, 0, Purpose.VIEW, sample)
    assert np.array_equal(np.sort(permutation(rng, n)), np.arange(n))
    assert 0 <= below(rng, n) < n


def test_below_is_uniform():
    rng = generator(0, 0, Purpose.VIEW)
    counts = np.bincount([below(rng, 5) for _ in range(5000)], minlength=5)
    assert abs(counts / 1000 - 1).max() < 0.12
