"""Order and motion: which sample when, then fetch, decode, crop, batch, device."""

from loaders.stream import Batch, Stream, StreamConfig, stream
from shards.errors import InputError

__all__ = ["Batch", "InputError", "Stream", "StreamConfig", "stream"]
