"""Changes to a config by `key=value`, and what recipes say."""

import pytest

from egocurate.errors import InputError
from egocurate.training.config.overrides import with_setting
from egocurate.training.config.recipes.egovlp import egovlp_base, egovlp_tiny


def test_settings_are_read_by_type():
    config = egovlp_base()
    for setting in (
        "optimizer.lr=1e-4",
        "data.negatives=false",
        "data.scale=0.3,1",
        "objective.loss=info_nce",
        "weights=3,1",
        "model.text.depth=2",
    ):
        config = with_setting(config, setting)
    assert (config.optimizer.lr, config.data.negatives, config.data.scale) == (1e-4, False, (0.3, 1.0))
    assert (config.objective.loss, config.model.text.depth, config.model.text.heads) == ("info_nce", 2, 12)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("lr=1", r"'lr'; there are system, .*optimizer.*; did you mean optimizer\.lr"),
        ("optimiser.lr=1", r"did you mean optimizer\.lr"),
        ("model.vidio.depth=1", r"did you mean .*model\.video\.depth"),
        ("model.video.size=1", "image, patch"),
        ("model=1", "video, text, projection"),
        ("epochs.x=1", "epochs has no keys"),
        ("data.frames=four", "a whole number"),
        ("objective.temperature=hot", "a number"),
        ("data.negatives=1", "true or false"),
        ("objective.positives=both", "and, or, noun, verb"),
        ("data.scale=1", "2 values"),
        ("epochs", "key=value"),
    ],
)
def test_a_wrong_setting_names_the_right_ones(setting, words):
    with pytest.raises(InputError, match=words):
        with_setting(egovlp_tiny(), setting)


def test_the_published_recipe():
    config = egovlp_base()
    assert (config.batch_size, config.data.frames, config.model.video.image, config.epochs) == (512, 4, 224, 10)
    assert (config.optimizer.lr, config.optimizer.schedule, config.optimizer.weight_decay) == (3e-5, "constant", 0.0)
    assert (config.objective.temperature, config.objective.positives) == (0.05, "and")
