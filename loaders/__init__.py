"""Order and motion: which sample when, then fetch, decode, crop, batch, device."""

from loaders.recipes import RECIPES
from loaders.stream import Batch, Stream, StreamConfig, stream
from shards.errors import InputError
from shards.index import ShardIndex
from shards.plan import clip_key
from shards.progress import Report, Stage, silent

__all__ = ["RECIPES", "Batch", "InputError", "Stream", "StreamConfig", "stream"]
__all__ += ["Report", "ShardIndex", "Stage", "clip_key", "silent"]
