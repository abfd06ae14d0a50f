"""How fast clips are decoded: by the host's cores through the stream, by the device through it, by nvJPEG, by NVDEC."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.gpu.configs import recipe_config, with_batch
from benchmarks.gpu.results import ABSENT, Results
from benchmarks.gpu.setup import Case, Facts, Setup
from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream, stream
from egocurate.loaders.decode_clip import decode_clip, read_clip
from egocurate.loaders.decoding.gpu_decoder import gpu_decoder
from egocurate.loaders.device import prefetch
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import FIRST_MEMBER
from egocurate.shards.video.decode import load

_BATCH, _WARM_BATCHES, _THREADS = 32, 12, 8
_CLIPS = 48
_COMPARED = 4
"""batches whose pixels are compared"""


def cases(setup: Setup, results: Results) -> Mapping[str, Case]:
    """Return a case for each profile, number of frames and decoder."""
    found: dict[str, Case] = {}
    for frames in (4, 16):
        for profile in ("train", "fast"):
            found[f"host, {profile}, {frames} frames"] = lambda p=profile, n=frames: host(setup, p, n)
            found[f"device, {profile}, {frames} frames"] = lambda p=profile, n=frames: on_device(setup, p, n)
        found[f"nvJPEG, fast, {frames} frames"] = lambda n=frames: nvjpeg(setup, n)
        found[f"NVDEC, train, {frames} frames"] = lambda n=frames: nvdec(setup, n)
    return found


def host(setup: Setup, profile: Literal["train", "fast"], frames: int) -> Facts:
    """Return clips/s of the stream on all cores, decoded and cropped to 224 pixels, nobody looking at them."""
    batches = _stream(setup, profile, frames)
    rate, workers = _read(setup, batches.epoch(0), batches), batches.config.workers
    return {"clips_per_sec": rate, "workers": workers, "per_core": round(rate / workers, 1)}


def on_device(setup: Setup, profile: Literal["train", "fast"], frames: int) -> Facts:
    """Return clips/s of the stream with decode="device", decoded and cropped there, nobody looking at them.

    And how far its pixels are from those of decode="host", whose batches are the same clips, frames and views.
    """
    device = torch.device(setup.device)
    decoder = gpu_decoder(device, [ShardIndex.open(setup.shards(profile))])
    if isinstance(decoder, str):
        return {ABSENT: decoder}
    batches, hosts = _stream(setup, profile, frames), _stream(setup, profile, frames)
    batches.decode_with(decoder)
    reading, apart = prefetch(batches.epoch(0), device), []
    for _, found, own in zip(range(_COMPARED), reading, hosts.epoch(0), strict=False):
        apart.append((found.frames.cpu().int() - own.frames.int()).abs())
    hosts.close()
    rate = _read(setup, reading, batches)
    return {"clips_per_sec": rate, "workers": batches.config.workers} | _levels(apart)


def _stream(setup: Setup, profile: Literal["train", "fast"], frames: int) -> Stream:
    config = with_batch(recipe_config(setup, "egovlp"), setup.shards(profile), 8 if setup.small else _BATCH)
    shape = {"frames": frames, "size": 64 if setup.small else 224, "negatives": False}
    shape["workers"] = 1 if setup.small else setup.cores
    return stream(config.shards, batch_size=config.batch_size, weights=config.weights, config=config.data, **shape)


def _read(setup: Setup, reading: Iterator[Batch], batches: Stream) -> float:
    """Return clips/s of batches, and end the stream."""
    ahead = 1 if setup.small else max(_WARM_BATCHES, 3 * batches.config.workers)
    for _ in range(ahead):  # what was read ahead before the clock
        next(reading)

    def take() -> int:
        batch = next(reading)
        if batch.frames.device.type == "cuda":
            torch.cuda.synchronize()
        return len(batch)

    rate = _rate(take, setup.measure_sec)
    batches.close()
    return rate


def nvjpeg(setup: Setup, frames: int) -> Facts:
    """Return clips/s of pictures decoded by torchvision on the GPU, as stored, and how far from the host's they are."""
    if setup.device == "cpu" or find_spec("torchvision") is None:
        return {ABSENT: "no GPU" if setup.device == "cpu" else "torchvision is not installed"}
    from torchvision.io import ImageReadMode, decode_jpeg

    index = ShardIndex.open(setup.shards("fast"))
    wanted = [(sample, _places(index, sample, frames)) for sample in range(min(_CLIPS, len(index)))]
    pictures = [_pictures(index, sample, places) for sample, places in wanted]

    def decode(clip: int) -> Tensor:
        return torch.stack(decode_jpeg(pictures[clip], mode=ImageReadMode.RGB, device=setup.device))

    several = [picture for clip in pictures[:16] for picture in clip]

    def decode_several() -> int:
        decode_jpeg(several, mode=ImageReadMode.RGB, device=setup.device)
        torch.cuda.synchronize()
        return len(pictures[:16])

    decode_several()
    rate = _rate(decode_several, setup.measure_sec)
    return {"clips_per_sec": rate, "at once": len(several)} | _difference(index, wanted, decode)


def nvdec(setup: Setup, frames: int) -> Facts:
    """Return clips/s of mp4 clips decoded by torchcodec on the GPU, as stored, and how far from the host's they are."""
    if setup.device == "cpu":
        return {ABSENT: "no GPU"}
    if load("torchcodec").frames is None:
        return {ABSENT: load("torchcodec").note}
    index = ShardIndex.open(setup.shards("train"))
    wanted = [(sample, _places(index, sample, frames)) for sample in range(min(_CLIPS, len(index)))]
    videos = [index.read_video(sample) for sample, _ in wanted]

    def decode(clip: int) -> Tensor:
        return decode_clip(videos[clip], wanted[clip][1], device=setup.device)

    def decode_all() -> int:
        with ThreadPoolExecutor(_THREADS) as threads:
            for _ in threads.map(decode, range(len(videos))):
                pass
        torch.cuda.synchronize()
        return len(videos)

    decode_all()
    return {"clips_per_sec": _rate(decode_all, setup.measure_sec)} | _difference(index, wanted, decode)


def _pictures(index: ShardIndex, sample: int, places: np.ndarray) -> list[Tensor]:
    members = index.read_members(sample, (places + FIRST_MEMBER).tolist())
    return [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in members]


def _places(index: ShardIndex, sample: int, frames: int) -> np.ndarray:
    return np.linspace(0, int(index.frame_count[sample]) - 1, frames).round().astype(np.int64)


def _difference(index: ShardIndex, wanted: list[tuple[int, np.ndarray]], decode: Callable[[int], Tensor]) -> Facts:
    """Compare a few clips with the host's, in levels of 255."""
    apart = []
    for clip, (sample, places) in enumerate(wanted[:4]):
        host_frames = read_clip(index, sample, places)
        apart.append((decode(clip).cpu().int() - host_frames.int()).abs())
    return _levels(apart)


def _levels(apart: list[Tensor]) -> Facts:
    """Return the mean and the most of differences int [...], in levels of 255."""
    apart = [each.float() for each in apart]
    return {
        "mean_levels_from_host": round(float(torch.stack([each.mean() for each in apart]).mean()), 3),
        "most_levels_from_host": max(int(each.max()) for each in apart),
    }


def _rate(work: Callable[[], int], seconds: float) -> float:
    """Return how many clips per second come of work that returns how many it did."""
    clips, began = 0, time.perf_counter()
    while (wall := time.perf_counter() - began) < seconds or not clips:
        clips += work()
    return round(clips / wall, 1) if wall else 0.0
