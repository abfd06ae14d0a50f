import numpy as np
import pytest

from egocurate.loaders.caption_draw import draw_caption
from egocurate.loaders.order.counter_rng import Purpose, generator
from egocurate.shards.read.caption_columns import CaptionColumns
from egocurate.text_choices import CAPTION_KINDS, kind_weights

KINDS = [0, 1, 1, 2, 0]  # two samples: four captions, then one
WEIGHTS = [1.0, 2.0, 1.0, 4.0, 1.0]


@pytest.fixture
def captions():
    return CaptionColumns(
        np.array([0, 4, 5]), np.array(KINDS, np.int8), np.array(WEIGHTS, np.float32), None, None, None, None
    )


@pytest.mark.parametrize("choice", ["draw", *CAPTION_KINDS])
def test_captions_are_drawn_as_often_as_their_weights_say(captions, choice):
    weights = np.array(WEIGHTS[:4])
    if choice != "draw":
        weights = weights * (np.array(KINDS[:4]) == CAPTION_KINDS.index(choice))
    if not weights.any():
        weights[0] = 1  # none of the kind: the first
    places = [draw_caption(captions, 0, choice, generator(3, epoch, Purpose.CAPTION, 0)) for epoch in range(2000)]
    shares = np.bincount(places, minlength=4) / len(places)
    assert shares == pytest.approx(weights / weights.sum(), abs=0.04)
    assert not shares[weights == 0].any()


def test_a_clip_with_one_caption_shows_it(captions):
    assert {
        draw_caption(captions, 1, choice, generator(0, 0, Purpose.CAPTION, 1)) for choice in ("draw", "narrator")
    } == {0}


def test_kinds_are_drawn_as_often_as_their_weights_say(captions):
    weights = np.array(WEIGHTS[:4]) * np.array([3.0, 0.0, 0.0, 0.25])
    rngs = (generator(3, epoch, Purpose.CAPTION, 0) for epoch in range(2000))
    places = [draw_caption(captions, 0, "human:3+narrator:0.25", rng) for rng in rngs]
    assert np.bincount(places, minlength=4) / 2000 == pytest.approx(weights / weights.sum(), abs=0.04)


@pytest.mark.parametrize(
    "choice", ["", "first", "human:0", "human:-1", "human:nan", "human+human", "spoken:1", "human:x"]
)
def test_what_is_no_choice_of_kinds_is_refused(choice):
    with pytest.raises(ValueError, match=r"is no kind of caption|could not convert"):
        kind_weights(choice)
