"""Every recipe's first losses are those that were written down."""

import json

import pytest

from tests.training.golden import GOLDEN, SYSTEMS, losses


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("golden")


@pytest.mark.parametrize("name", SYSTEMS)  # in the recipes' order: a later stage starts from the one before
def test_losses_are_the_golden_ones(name, data, out):
    expected = json.loads(GOLDEN.read_text())[name]
    # Other processors round products in another order.
    assert losses(name, data, out) == pytest.approx(expected, rel=1e-3)
