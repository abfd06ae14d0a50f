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


def test_every_system_has_a_recipe_of_its_size_and_a_tiny_one():
    assert RECIPES.keys() == {f"{system}{size}" for system in SYSTEMS for size in ("", "-tiny")}
    assert all(RECIPES[name]().system == name.removesuffix("-tiny") for name in RECIPES)
