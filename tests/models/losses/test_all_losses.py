"""Every contrastive loss, value and gradient, against a loop in float64; whole, and as the mean of parts."""

import pytest
import torch

from egocurate.models.losses.egonce import egonce
from egocurate.models.losses.egonce_plus import egonce_plus
from egocurate.models.losses.info_nce import info_nce
from egocurate.models.losses.max_margin import max_margin
from egocurate.models.losses.pairs import egonce_pairs
from egocurate.models.losses.sigmoid import sigmoid_loss
from tests.models.losses.loops import (
    loop_egonce,
    loop_egonce_plus,
    loop_info_nce,
    loop_max_margin,
    loop_sigmoid,
    random_batch,
    value_and_gradients,
)

torch.set_num_threads(1)


NAMES = ["egonce", "info_nce", "egonce_plus", "sigmoid", "max_margin"]
WHOLE = slice(None)


def cases(seed, m=8):
    """The losses as functions of text, video, the rows and what is of a row."""
    text, video, verbs, nouns, valid = random_batch(seed, m)
    generator = torch.Generator().manual_seed(seed + 100)
    altered = torch.randn(m, 3, 7, generator=generator, dtype=torch.float64)
    relevance = torch.rand(m, generator=generator, dtype=torch.float64)
    scale, bias = torch.tensor(10.0, dtype=torch.float64), torch.tensor(-4.0, dtype=torch.float64)

    def sigmoid(a, b, rows):
        return sigmoid_loss(a, b, egonce_pairs(verbs, nouns, valid, rows=rows), scale, bias, valid, rows=rows)

    return {
        "egonce": (
            lambda a, b, rows: egonce(a, b, verbs, nouns, valid, temperature=0.1, rows=rows),
            lambda a, b: loop_egonce(a, b, verbs, nouns, valid, 0.1, "and", "mask"),
        ),
        "info_nce": (
            lambda a, b, rows: info_nce(a, b, valid, temperature=0.1, rows=rows),
            lambda a, b: loop_info_nce(a, b, valid),
        ),
        "egonce_plus": (
            lambda a, b, rows: egonce_plus(a, b, altered, nouns, valid, temperature=0.1, rows=rows),
            lambda a, b: loop_egonce_plus(a, b, altered, nouns, valid),
        ),
        "sigmoid": (sigmoid, lambda a, b: loop_sigmoid(a, b, verbs, nouns, valid)),
        "max_margin": (
            lambda a, b, rows: max_margin(a, b, relevance, margin=0.3, rows=rows),
            lambda a, b: loop_max_margin(a, b, relevance),
        ),
    }, (text, video)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_float64_value_and_gradient_equal_loop(name, seed):
    losses, (text, video) = cases(seed)
    function, loop = losses[name]
    value, *gradients = value_and_gradients(lambda a, b: function(a, b, WHOLE), text, video)
    expected, *expected_gradients = value_and_gradients(loop, text, video)
    assert value == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-10, atol=1e-12)
    assert torch.autograd.gradcheck(lambda a, b: function(a, b, WHOLE), (text.requires_grad_(), video.requires_grad_()))


@pytest.mark.parametrize("name", NAMES)
def test_parts_of_the_rows_average_to_the_whole(name):
    """What ranks do: each its own rows against all; the mean of values and of gradients is the whole batch's."""
    losses, (text, video) = cases(5)
    function, _ = losses[name]
    whole = value_and_gradients(lambda a, b: function(a, b, WHOLE), text, video)
    parts = [value_and_gradients(lambda a, b, r=r: function(a, b, slice(r, r + 2)), text, video) for r in (0, 2, 4, 6)]
    value, *gradients = (sum(values) / 4 for values in zip(*parts, strict=True))
    assert value == pytest.approx(whole[0], rel=1e-12)
    torch.testing.assert_close(gradients, list(whole[1:]), rtol=1e-10, atol=1e-12)
