"""Order and motion: which sample when, then fetch, decode, crop, batch, device."""

from loaders.recipes import RECIPES
from loaders.stream import Batch, Stream, StreamConfig, stream
from shards.errors import InputError

__all__ = ["RECIPES", "Batch", "InputError", "Stream", "StreamConfig", "stream"]
