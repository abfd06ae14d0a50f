"""Random numbers as a function of (seed, epoch, purpose, sample): no state to carry, to save or to replay.

Philox is a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): its key and
counter are set here, so any number of processes can start the same stream at the same place for the price of an object.
"""

from enum import IntEnum

import numpy as np

_WORD = (1 << 64) - 1
_DRAWS_PER_COUNT = 4


class Purpose(IntEnum):
    """What a stream of random numbers is for; each purpose of a sample has a stream of its own."""

    ORDER = 0
    VIEW = 1  # frames, crop and flip of an anchor
    NEGATIVE = 2  # which clip is its hard negative
    NEGATIVE_VIEW = 3
    REPLACEMENT = 4  # which sample stands in for one that does not decode
    ASIDE = 5  # which samples of a set are put aside for the odd places of a mixture
    ODD = 6  # in which order these come
    MODEL = 7  # what a training step draws for an anchor, such as masks
    MODEL_NEGATIVE = 8  # and for a negative
    CAPTION = 9  # which of its captions a clip is shown with, as an anchor or as a negative
    MODEL_STEP = 10  # what a training step draws once, for all clips
    TEXT_NEGATIVES = 11  # which texts that are wrong of it a clip brings


def generator(seed: int, epoch: int, purpose: Purpose, sample: int = 0, *, drawn: int = 0) -> np.random.Generator:
    """Return the generator of one purpose of one sample (its id) in one epoch of one seed, after `drawn` numbers.

    Callers draw with `Generator.random` alone: the bits of Philox and their way to a double are fixed, while numpy
    keeps the right to change `permutation`, `choice` and `integers` between versions.
    """
    key = np.array([seed & _WORD, epoch & _WORD], dtype=np.uint64)
    # The generator counts in the low word; purpose and sample stand in the high ones, so streams cannot meet.
    counts, rest = divmod(drawn, _DRAWS_PER_COUNT)
    counter = np.array([counts, 0, sample & _WORD, int(purpose)], dtype=np.uint64)
    rng = np.random.Generator(np.random.Philox(key=key, counter=counter))
    rng.random(rest)
    return rng


def permutation(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return a uniform permutation int64[n]."""
    return np.argsort(rng.random(n), kind="stable")


def below(rng: np.random.Generator, n: int) -> int:
    """Return a uniform integer in [0, n)."""
    return min(int(rng.random() * n), n - 1)
