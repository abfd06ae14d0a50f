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


def test_every_recipe_is_of_a_system():
    assert {RECIPES[name]().system for name in RECIPES} <= SYSTEMS.keys()


def test_every_system_has_a_recipe_of_its_size_and_a_tiny_one():
    systems = {name: RECIPES[name]().system for name in RECIPES}
    for tiny in (False, True):
        assert {systems[name] for name in RECIPES if name.endswith("-tiny") == tiny} == set(SYSTEMS)
