"""The settings that a recipe has, as they are listed and as `--set` reads them."""

from dataclasses import dataclass

import pytest

from egocurate.training.config.overrides import with_setting
from egocurate.training.config.recipes import RECIPES
from egocurate.training.config.settings import Setting, field_docs, list_settings


@pytest.mark.parametrize("name", RECIPES)
def test_every_setting_is_written_as_it_is_read(name):
    config = RECIPES[name]()
    for setting in list_settings(config):
        assert with_setting(config, f"{setting.key}={setting.value}") == config, setting


def test_a_setting_has_its_kind_its_value_and_its_meaning():
    settings = {setting.key: setting for setting in list_settings(RECIPES["egovlp"]())}
    about = "largest norm of the gradient; 0 leaves it as it is"
    assert settings["optimizer.clip_grad"] == Setting("optimizer.clip_grad", "number", "0.0", about)
    assert settings["data.scale"].kind == "number,number"
    assert settings["weights"].kind == "number,..."
    assert settings["parallel"].kind == "ddp|fsdp"
    assert settings["data.cache_dir"] == Setting("data.cache_dir", "text", "", settings["data.cache_dir"].about)
    assert "model" not in settings
    for key, setting in settings.items():
        assert setting.about or key.startswith(("model.", "objective.")), key


@dataclass
class Outer:
    """Not about a field."""

    first: int = 1
    """About the first,
    on two lines."""
    second: int = 2

    third: int = 3
    # a comment
    """About the third."""


@dataclass
class Inner(Outer):
    second: int = 4
    """Said where it is set anew."""


def test_what_stands_below_a_field_is_about_it():
    docs = {"first": "About the first, on two lines.", "third": "About the third."}
    assert field_docs(Outer) == docs
    assert field_docs(Inner) == docs | {"second": "Said where it is set anew."}
