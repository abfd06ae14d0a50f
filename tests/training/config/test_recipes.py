"""Recipes by name."""

from importlib import import_module
from types import ModuleType

import pytest

from egocurate.training.config import recipes
from egocurate.training.config.recipes import RECIPES
from egocurate.training.systems import SYSTEMS


@pytest.mark.parametrize("name", ["egovlp", "egovlpv2", "videomae", "videoprism"])
def test_no_recipe_hides_the_module_that_it_is_in(name):
    import_module(f"{recipes.__name__}.{name}")
    assert isinstance(getattr(recipes, name), ModuleType)


@pytest.mark.parametrize("name", [name for name in RECIPES if not name.endswith("-tiny")])
def test_a_recipe_has_a_tiny_twin(name):
    assert RECIPES[name]().system == RECIPES[f"{name}-tiny"]().system


def test_every_recipe_is_of_a_system():
    assert {RECIPES[name]().system for name in RECIPES} <= SYSTEMS.keys()
