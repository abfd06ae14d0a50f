"""Order and motion: which sample when, then fetch, decode, crop, batch, device."""

from typing import TYPE_CHECKING

from egocurate.lazy_face import attach

if TYPE_CHECKING:
    from egocurate.loaders.batch import Batch as Batch
    from egocurate.loaders.clip_stream import Stream as Stream
    from egocurate.loaders.clip_stream import stream as stream
    from egocurate.loaders.config import StreamConfig as StreamConfig
    from egocurate.loaders.device import crop as crop
    from egocurate.loaders.device import normalize as normalize
    from egocurate.loaders.device import prefetch as prefetch
    from egocurate.loaders.egomcq_dataset import EgoMCQDataset as EgoMCQDataset
    from egocurate.loaders.evaluation_clips import EvaluationClips as EvaluationClips
    from egocurate.loaders.presets import PRESETS as PRESETS
    from egocurate.loaders.views.multi_view_clips import MultiViewClips as MultiViewClips
    from egocurate.loaders.views.multi_view_clips import Views as Views
    from egocurate.shards.read.index import ShardIndex as ShardIndex
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "PRESETS": "egocurate.loaders.presets",
            "Batch": "egocurate.loaders.batch",
            "EgoMCQDataset": "egocurate.loaders.egomcq_dataset",
            "EvaluationClips": "egocurate.loaders.evaluation_clips",
            "MultiViewClips": "egocurate.loaders.views.multi_view_clips",
            "ShardIndex": "egocurate.shards.read.index",
            "Stream": "egocurate.loaders.clip_stream",
            "StreamConfig": "egocurate.loaders.config",
            "Views": "egocurate.loaders.views.multi_view_clips",
            "crop": "egocurate.loaders.device",
            "normalize": "egocurate.loaders.device",
            "prefetch": "egocurate.loaders.device",
            "stream": "egocurate.loaders.clip_stream",
        },
    )
