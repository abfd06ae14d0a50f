"""A number that cannot work is refused when a config is made, before anything is read or written."""

from dataclasses import fields, is_dataclass

import pytest

from egocurate.errors import InputError
from egocurate.training.config.overrides import with_setting
from egocurate.training.config.ranges import RANGES
from egocurate.training.config.recipes import RECIPES
from egocurate.training.config.recipes.egovlp import egovlp_tiny
from egocurate.training.config.settings import list_settings


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("max_steps=-1", "max_steps=-1: must be 0 or more"),
        ("log_every=0", "log_every=0: must be 1 or more"),
        ("checkpoint_every=0", "must be 1 or more"),
        ("eval_every=-5", "must be 1 or more"),
        ("keep_checkpoints=0", "must be 1 or more"),
        ("epochs=0", "must be 1 or more"),
        ("batch_size=0", "must be 1 or more"),
        ("micro_batches=-1", "must be 0 or more"),
        ("max_tokens=0", "must be 1 or more"),
        ("optimizer.lr=-1", "optimizer.lr=-1: must be more than 0"),
        ("optimizer.lr=0", "must be more than 0"),
        ("optimizer.lr=nan", "must be more than 0"),
        ("optimizer.lr=inf", "must be more than 0"),
        ("optimizer.beta2=1", "must be 0 to 0.999999"),
        ("optimizer.eps=0", "must be more than 0"),
        ("optimizer.warmup_epochs=-1", "must be 0 or more"),
        ("objective.temperature=0", "must be more than 0"),
        ("eval_batch=-1", "eval_batch=-1: must be 0 or more"),
        ("model.video.heads=0", "model.video.heads=0: must be 1 or more"),
        ("model.text.depth=-1", "must be 1 or more"),
        ("model.text.dropout=1.5", "must be 0 to 1"),
        ("model.video.eps=nan", "must be more than 0"),
        ("weights=1,-1", "weights=1.0,-1.0: each must be more than 0"),
    ],
)
def test_a_number_out_of_its_range_is_one_line(setting, words):
    with pytest.raises(InputError) as raised:
        with_setting(egovlp_tiny(), setting)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_every_range_is_of_some_recipe():
    keys = {setting.key for recipe in RECIPES.values() for setting in list_settings(recipe())}
    assert RANGES.keys() <= keys


@pytest.mark.parametrize("name", RECIPES)
def test_no_size_of_a_model_may_be_negative(name):
    """Every number of every model has a range, and none of them holds -1."""
    sizes = [one.key for one in list_settings(RECIPES[name]()) if one.key.startswith("model.") and "number" in one.kind]
    assert sizes
    for key in sizes:
        with pytest.raises(InputError, match=rf"^{key}=-1: must be"):
            with_setting(RECIPES[name](), f"{key}=-1")


def test_every_number_of_the_config_itself_has_a_range():
    for recipe in RECIPES.values():
        config = recipe()
        for part, prefix in ((config, ""), (config.optimizer, "optimizer."), (config.objective, "objective.")):
            for field in fields(part) if is_dataclass(part) else ():
                value = getattr(part, field.name)
                if isinstance(value, int | float) and not isinstance(value, bool):
                    assert prefix + field.name in RANGES, prefix + field.name
