import numpy as np
import pytest

from egocurate.caption_kinds import CAPTION_KINDS
from egocurate.loaders.caption_draw import draw_caption
from egocurate.loaders.order.counter_rng import Purpose, generator
from egocurate.shards.read.caption_columns import CaptionColumns

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
