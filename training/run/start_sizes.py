"""The sizes of a classifier's backbone, where a run or weights are named that it starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from egocurate.errors import InputError
from egocurate.models.classifier.config import Backbone, ClassifierConfig
from egocurate.models.frozen.config import FrozenConfig
from egocurate.models.layers.configs import VideoConfig
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videoprism.config import EncoderConfig
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.run.run_folder import RECIPE, read_run

_CALLED = {
    VideoMAEConfig: "videomae",
    VideoConfig: "egovlp",
    EncoderConfig: "videoprism",
    FrozenConfig: "folder of transformers",
}


def with_sizes_of_start(config: TrainConfig) -> TrainConfig:
    """Return a classifier's config with the backbone, the frames and the size of what `start` names; others as it is.

    A run that goes on has them in its own folder, so what it started from may be gone. Raises InputError for a start
    that is none, or of another kind than the recipe's backbone.
    """
    if not isinstance(config.model, ClassifierConfig) or not config.start:
        return config
    out = Path(config.out)
    source = read_run(out, []) if config.out and (out / RECIPE).is_file() else _read_start(config.start)
    backbone = backbone_of(source.model)
    if isinstance(backbone, FrozenConfig):
        backbone = _tower_of_others(backbone)
    if type(backbone) is not type(config.model.backbone):
        kind, ours = _CALLED.get(type(backbone), source.system), _CALLED[type(config.model.backbone)]
        raise InputError(f"start={config.start}: a {kind}, and this recipe tunes a {ours}; take the recipe of a {kind}")
    data = replace(config.data, size=source.data.size)
    if isinstance(backbone, VideoConfig):  # it takes as many frames as the recipe has, whatever it has learned from
        backbone = replace(backbone, max_frames=max(backbone.max_frames, data.frames))
    else:
        data = replace(data, frames=source.data.frames)
    return replace(config, model=replace(config.model, backbone=backbone), data=data)


def backbone_of(model: Any) -> Backbone | None:  # noqa: ANN401 (any model's config)
    """Return the sizes of a model's video tower; None for a model without one that can be tuned."""
    parts = (getattr(model, name, None) for name in ("backbone", "video", "encoder"))
    return next((part for part in (model, *parts) if isinstance(part, Backbone)), None)


def _tower_of_others(encoder: FrozenConfig) -> Backbone:
    """Return an encoder of transformers as it is, of a tuned VideoMAE its sizes; InputError for one without tokens."""
    from egocurate.models.frozen.released import RELEASED, released_encoder  # needs torch

    if encoder.kind == "videomae-classifier":
        return released_encoder(encoder)
    if encoder.kind in RELEASED:
        raise InputError(f"start={encoder.source}: of a release of {encoder.kind} no tokens are read here, only clips")
    return encoder


def _read_start(start: str) -> TrainConfig:
    path = Path(start)
    if path.name.startswith("step-") and (path.parent.parent / RECIPE).is_file():  # a checkpoint of a run
        path = path.parent.parent
    from egocurate.training.run.model_source import source_of  # needs torch, which takes its seconds to load

    return source_of(str(path)).read([])
