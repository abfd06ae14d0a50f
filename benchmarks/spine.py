"""How fast each step of the way is, on an invented root of 256-pixel video; webdataset reads the same shards beside."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
import webdataset
from torch.utils.data import DataLoader

from egocurate.commands.jobs.cutting import RunOptions
from egocurate.commands.jobs.egoclip import run_egoclip
from egocurate.commands.output.output_folder import SHARDS
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.curation.synthetic import DemoRootConfig, write_demo_root
from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import stream
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.crops import crop_and_resize, random_view
from egocurate.loaders.decode_clip import decode_clip
from egocurate.loaders.frame_sampling import frame_sampler
from egocurate.loaders.order.epoch_order import epoch_order
from egocurate.progress import silent
from egocurate.ray_session import ray_session

BATCH, FRAMES, SIZE, WORKERS = 32, 4, 224, 2
EGOCLIP_ROWS = 3_847_723


def measure(scratch: Path) -> list[dict[str, object]]:
    """Run every step once in `scratch` and return the figures: what, value, unit."""
    root, out = scratch / "ego4d", scratch / "egoclip"
    with ray_session(None):
        write_demo_root(root, DemoRootConfig(train=40, val=0, side=256))
        source = Ego4DSource(root)
        tables_sec = _seconds(
            lambda: run_egoclip(source, out, EgoClipConfig(), "auto", RunOptions(tables_only=True), silent)
        )
        cut = run_egoclip(source, out, EgoClipConfig(), "auto", RunOptions(shard_clips=64), silent).summary
    clips, shards = int(cut["samples"]), out / SHARDS
    ours = _clips_per_sec(stream(shards, batch_size=BATCH, config=_config(negatives=False)).epoch(0))
    with_negatives = _clips_per_sec(stream(shards, batch_size=BATCH, config=_config(negatives=True)).epoch(0))
    theirs = _clips_per_sec(_webdataset(shards))
    return [
        _figure("text side: tables of a small root (Ray running)", clips / tables_sec, "clips/s"),
        _figure("cutting and writing shards, 256 px, 30 fps source, 2 cores", cut["cut_clips_per_sec"], "clips/s"),
        _figure("stream, 4 frames at 224, 2 workers", ours, "clips/s"),
        _figure("stream with hard negatives, 2 workers", with_negatives, "clips/s"),
        _figure("webdataset on the same shards, same decoding and cropping, 2 workers", theirs, "clips/s"),
        _figure("resume at half an epoch, to the first batch, 2 workers started anew", _resume_sec(shards), "s"),
        _figure("order of an epoch at EgoClip's size, batch 512", _order_sec(), "s"),
    ]


def _config(*, negatives: bool) -> StreamConfig:
    return StreamConfig(frames=FRAMES, size=SIZE, negatives=negatives, workers=WORKERS)


def _webdataset(shards: Path) -> DataLoader:
    """webdataset's own pipeline with our decoding and cropping, so that only the way of reading differs."""
    urls = sorted(str(path) for path in shards.glob("*.tar"))
    dataset = webdataset.WebDataset(urls, shardshuffle=100, nodesplitter=None, seed=0).shuffle(1000).map(_view)
    return DataLoader(dataset.batched(BATCH, partial=False), batch_size=None, num_workers=WORKERS)


def _view(sample: dict[str, bytes]) -> tuple[torch.Tensor]:

    rng = np.random.default_rng()
    count = json.load(io.BytesIO(sample["json"]))["frame_count"]
    frames = decode_clip(sample["mp4"], frame_sampler("segments-random")(count, FRAMES, rng))
    return (crop_and_resize(frames, random_view(rng, *frames.shape[-2:], scale=(0.5, 1.0), flip=True), SIZE),)


def _clips_per_sec(batches: Iterable[Batch | list]) -> float:
    """Rate of rows after the first batch, which pays for starting the workers."""
    rows, began = 0, 0.0
    for batch in batches:
        if not began:
            began = time.perf_counter()
            continue
        rows += len(batch.frames if isinstance(batch, Batch) else batch[0])
    return rows / (time.perf_counter() - began)


def _resume_sec(shards: Path) -> float:
    state = stream(shards, batch_size=BATCH, config=_config(negatives=True)).state_dict()
    began = time.perf_counter()
    resumed = stream(shards, batch_size=BATCH, config=_config(negatives=True))
    resumed.load_state_dict(state | {"step": resumed.steps_per_epoch // 2})
    next(resumed.epoch(0))
    return time.perf_counter() - began


def _order_sec() -> float:
    sample = np.arange(EGOCLIP_ROWS)
    shard, neighbourhood = (sample // 1024).astype(np.int32), sample // 30
    return _seconds(lambda: epoch_order(shard, neighbourhood, seed=0, epoch=0, global_batch=512))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _figure(what: str, value: float, unit: str) -> dict[str, object]:
    return {"what": what, "value": round(float(value), 3), "unit": unit}
