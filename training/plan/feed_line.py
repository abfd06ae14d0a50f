"""Whether the workers of a run that begins will feed its GPU, by the work of its step and the profile of its shards."""

from __future__ import annotations

from collections import Counter

from egocurate.loaders.clip_stream import Stream
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.plan.feed import shortage
from egocurate.training.plan.run_plan import MFU


def feed_line(config: TrainConfig, data: Stream, clips: int, peak_seconds: float) -> str:
    """Return a line if a rank's GPU is expected to wait for clips, "" where it is not or where nothing is known.

    clips: of a rank's step, hard negatives included; peak_seconds: what that step takes at the GPU's peak, 0 if that is
    not known.
    """
    if not peak_seconds or config.headspace or data.decodes_on_device:
        return ""
    profiles: Counter[str] = Counter()
    for index, share in zip(data.indexes, data.weights, strict=True):
        profiles[str(index.manifest["profile"].get("name"))] += share
    low, high = (mfu * clips / peak_seconds for mfu in MFU)
    return shortage(profiles, config.data.frames, config.data.size, (low, high), config.data.workers)
