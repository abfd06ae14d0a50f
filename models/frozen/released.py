"""Encoders in the names of their authors' releases, by kind: what builds them, and the tokenizer of their texts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from egocurate.errors import InputError
from egocurate.models.classifier.weights import classifier_names
from egocurate.models.frozen.config import FrozenConfig
from egocurate.models.frozen.encoder import Encoder, Sizes
from egocurate.models.frozen.folder import WEIGHTS
from egocurate.models.frozen.released_classifier import (
    ReleasedClassifier,
    read_classifier_sizes,
    read_encoder_sizes,
)
from egocurate.models.frozen.released_clip import ReleasedClip, clip_state, read_sizes
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.weights import check_whole, load_state, read_weights

_BPE = "openai/clip-vit-base-patch16"
RELEASED: dict[str, str] = {
    "lavila": _BPE,
    "lavila-distilbert": "distilbert-base-uncased",
    "avion": _BPE,
    "openai-clip": _BPE,
    "videomae-classifier": "",
}
"""Kind, as `models.released_names.recognize` tells it -> hub name of its tokenizer, "" without texts."""


def released_sizes(config: FrozenConfig) -> Sizes:
    """Return what a release's encoder takes and gives; raises InputError, one line, for tensors of another model."""
    shapes = _shapes(_read(config.source))
    with _one_line(config):
        if config.kind == "videomae-classifier":
            return read_classifier_sizes(shapes)
        return read_sizes(config.kind, shapes)[-1]


def build_released(config: FrozenConfig, size: int, frames: int) -> Encoder:
    """Return a release's encoder with its weights, for clips of so many frames of so many pixels a side.

    Raises InputError, one line, for weights that are not whole, or of layers that the encoder has no place for.
    """
    where, state = config.source, _read(config.source)
    with _one_line(config):
        if config.kind == "videomae-classifier":
            encoder = ReleasedClassifier(_shapes(state), size, frames)
            named = {f"classifier.{name}": value for name, value in classifier_names(state).items()}
        else:
            encoder = ReleasedClip(config.kind, _shapes(state), frames)
            named = clip_state(config.kind, state, frames)
        report = load_state(encoder, {name: value.float() for name, value in named.items()}, where)
    check_whole(report, where, config.kind)
    return encoder.eval().requires_grad_(False)


def released_encoder(config: FrozenConfig) -> VideoMAEConfig:
    """Return the sizes of the encoder of a fine-tuned VideoMAE; raises InputError for tensors of another model."""
    shapes = _shapes(_read(config.source))
    with _one_line(config):
        return read_encoder_sizes(shapes)


def _read(where: str) -> dict[str, Tensor]:
    """Return the tensors of a file, or of the file in a folder, without what data-parallel training puts before."""
    try:
        state = read_weights(str(Path(where) / WEIGHTS) if Path(where).is_dir() else where)
    except ValueError as error:
        raise InputError(str(error)) from error
    return {name.removeprefix("module."): value for name, value in state.items()}


def _shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


@contextmanager
def _one_line(config: FrozenConfig) -> Iterator[None]:
    """Raise InputError for whatever names and shapes of another model bring about."""
    try:
        yield
    except KeyError as error:
        raise InputError(
            f"weights {config.source!r}: {error} of {config.kind} is missing: take the whole release of its authors"
        ) from error
    except (ValueError, IndexError, TypeError, RuntimeError, ZeroDivisionError) as error:
        raise InputError(f"weights {config.source!r}: its tensors are not those of {config.kind} ({error})") from error
