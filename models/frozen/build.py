"""A frozen encoder of any make by its config."""

from __future__ import annotations

from pathlib import Path

from egocurate.models.frozen.config import FrozenConfig
from egocurate.models.frozen.encoder import Encoder, Sizes
from egocurate.models.frozen.folder import read_pixels
from egocurate.models.frozen.hub_encoder import HubEncoder, sizes_of
from egocurate.models.frozen.kinds import KINDS
from egocurate.models.frozen.released import RELEASED, build_released, released_sizes


def build_encoder(config: FrozenConfig, size: int, frames: int) -> Encoder:
    """Return an encoder with its weights, for clips of so many frames; raises InputError for one that is not whole."""
    return build_released(config, size, frames) if config.kind in RELEASED else HubEncoder(config)


def own_sizes(config: FrozenConfig) -> tuple[Sizes, int]:
    """Return what an encoder takes and gives, and the pixels a side that its processor would show it."""
    if config.kind in RELEASED:
        sizes = released_sizes(config)
        return sizes, sizes.image
    sizes = sizes_of(config)
    said = read_pixels(Path(config.source), KINDS[config.kind].pixels).size
    return sizes, said if said and sizes.any_size else sizes.image


def own_tokenizer(config: FrozenConfig) -> str:
    """Return the tokenizer that an encoder's texts need, if it has learned some: a folder or a hub name."""
    return RELEASED.get(config.kind, config.source)
