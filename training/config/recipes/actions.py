"""Actions of EPIC-KITCHENS-100 and EGTEA Gaze+ by EgoVLP's video tower: recognized, or foretold.

EgoVLP's authors publish no figures of these; where they come from is said with each recipe.
"""

from __future__ import annotations

from dataclasses import replace

from egocurate.loaders.config import AUTO_WORKERS
from egocurate.loaders.presets import PRESETS
from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.training.config.loss_configs import Classification
from egocurate.training.config.optimizer import OptimizerConfig
from egocurate.training.config.recipes.egovlp import egovlp_tiny
from egocurate.training.config.recipes.probes import egovlp_probe, egovlp_probe_tiny
from egocurate.training.config.train_config import TrainConfig

_VERB_AND_NOUN = ("verb", "noun")
_FORETOLD = ("verb", "noun", "action")


def egovlp_epic_actions() -> TrainConfig:
    """Tune the video tower to the verbs and nouns of EPIC-KITCHENS-100; actions are scored by their products.

    `--set model.frozen=true` tunes the head alone. Rates and epochs are ours: the tower steps as in pre-training, the
    head thirty times as fast.
    """
    model = EgoVLPConfig.base()
    return TrainConfig(
        system="egovlp-classifier",
        model=ClassifierConfig(backbone=model.video, head="cls"),
        objective=Classification(labels=_VERB_AND_NOUN, smoothing=0.1, test_segments=2, test_crops=3),
        data=replace(PRESETS["egovlp"], negatives=False, workers=AUTO_WORKERS),
        batch_size=128,
        optimizer=OptimizerConfig(
            lr=3e-5, new_lr=1e-3, final_lr=1e-6, warmup_epochs=1, schedule="cosine", weight_decay=0.05
        ),
        epochs=20,
    )


def egovlp_epic_actions_tiny() -> TrainConfig:
    """Tune the small EgoVLP to verbs and nouns, for the demo."""
    return _tiny(egovlp_epic_actions())


def egovlp_egtea() -> TrainConfig:
    """Tune the video tower to the 106 actions of EGTEA Gaze+: top-1 and mean class accuracy (figure `mean_class`).

    The tests of others show 10 x 3 views (LaViLa, 2212.04501); here they are 5 x 3, which is a setting.
    """
    actions = egovlp_epic_actions()
    return replace(actions, objective=Classification(labels=("action",), smoothing=0.1, test_segments=5, test_crops=3))


def egovlp_egtea_tiny() -> TrainConfig:
    """Tune the small EgoVLP to actions, for the demo."""
    return _tiny(egovlp_egtea())


def egovlp_anticipation() -> TrainConfig:
    """Probe the frozen tower for actions that begin a second after the clip ends: class-mean recall at 5.

    The clips are those of `curate segments --before 1`. V-JEPA 2 (2506.09985) probes so, with a pooling of
    four layers that reads its predictor's tokens too, a query for each of verb, noun and action, and a focal loss; here
    one layer and one query read the encoder's tokens, and the loss is cross entropy.
    """
    probe = egovlp_probe()
    return replace(probe, objective=replace(probe.objective, labels=_FORETOLD))


def egovlp_anticipation_tiny() -> TrainConfig:
    """Probe the small EgoVLP for what comes next, for the demo."""
    probe = egovlp_probe_tiny()
    return replace(probe, objective=replace(probe.objective, labels=_FORETOLD))


def _tiny(actions: TrainConfig) -> TrainConfig:
    small = egovlp_tiny()
    return replace(
        actions,
        model=replace(actions.model, backbone=small.model.video),
        objective=replace(actions.objective, test_segments=2, test_crops=1),
        data=replace(small.data, negatives=False),
        batch_size=16,
        optimizer=OptimizerConfig(lr=1e-3, final_lr=1e-5, warmup_steps=10, schedule="cosine", weight_decay=0.05),
        epochs=10,
        eval_every=100,
        checkpoint_every=100,
    )
