"""Order and motion: which sample when, then fetch, decode, crop, batch, device."""

from egocurate.clip_table import clip_key
from egocurate.errors import InputError
from egocurate.loaders.clip_stream import Batch, Stream, StreamConfig, stream
from egocurate.loaders.presets import PRESETS
from egocurate.progress import Report, Stage, silent
from egocurate.shards.read.index import ShardIndex

__all__ = ["PRESETS", "Batch", "InputError", "Stream", "StreamConfig", "stream"]
__all__ += ["Report", "ShardIndex", "Stage", "clip_key", "silent"]
