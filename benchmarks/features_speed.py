"""What reading long videos for features costs, beside the ways of others: `python -m benchmarks.features_speed`.

    python -m benchmarks.features_speed VIDEO [VIDEO ...] [--turns 5]

Each way makes the clips that a model reads, 4 frames of 224 pixels, 1.875 clips a second, of the same videos; the
model is left out, as it is the same for all. Cost is processor time of one process, and what counts is hours of video
per hour of it. The ways take turns, the first of which only warms up, and ratios are the median of the turns' ratios,
which other work on the machine disturbs little.
- `curate features`: each video once, from start to end;
- a loop over decord: each clip's frames are asked for, one clip after the other;
- EgoVLP's script, as its code does it: all frames of a clip of 480 s are asked for at once, at their full size, made
  floats, then brought to 256 pixels, cropped and brought to 224.
Then windows of two strides each, as for denser features: ours reads each frame once, whichever windows show it; the
loop reads each window's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import decord
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.record import figure, write_record
from egocurate.console import progress
from egocurate.loaders.crops import center_view, crop_and_resize
from egocurate.loaders.frame_sampling import dense, middles_of_stretches, overlapping
from egocurate.loaders.videos.long_videos import DenseClips, OverlappingClips
from egocurate.loaders.videos.stretches import length_sec

RATE, FRAMES, SIZE, AT_ONCE = 1.875, 4, 224, 32
WINDOW_SEC, STRIDE_SEC = 2 / RATE, 1 / RATE
CLIP_SEC = 480
"""of Ego4D's NLQ at most"""

Way = Callable[[Path], Iterator[Tensor]]
"""yields the clips of a video, [B, 4, 3, 224, 224]"""


def ours(path: Path) -> Iterator[Tensor]:
    """Yield clips as `curate features` reads them."""
    yield from DenseClips(path, frames=FRAMES, size=SIZE, rate=RATE).batches(AT_ONCE)


def ours_overlapping(path: Path) -> Iterator[Tensor]:
    """Yield windows of two strides, as `curate search` reads them."""
    clips = OverlappingClips(path, frames=FRAMES, size=SIZE, window_sec=WINDOW_SEC, stride_sec=STRIDE_SEC)
    yield from clips.batches(AT_ONCE)


def decord_loop(path: Path) -> Iterator[Tensor]:
    """Yield clips each of which is asked for by itself."""
    video = decord.VideoReader(str(path), num_threads=1)
    return _asked_one_by_one(video, dense(len(video), FRAMES, rate=RATE, fps=video.get_avg_fps()))


def decord_loop_overlapping(path: Path) -> Iterator[Tensor]:
    """Yield windows of two strides, each of which is asked for by itself."""
    video = decord.VideoReader(str(path), num_threads=1)
    fps = video.get_avg_fps()
    stretches = overlapping(len(video) / fps, window_sec=WINDOW_SEC, stride_sec=STRIDE_SEC)
    return _asked_one_by_one(video, middles_of_stretches(stretches, FRAMES, fps=fps, count=len(video)))


def egovlp_script(path: Path) -> Iterator[Tensor]:
    """Yield clips as EgoVLP's extraction makes them (showlab/EgoVLP, run/test_nlq.py), but for the normalization."""
    reader = decord.VideoReader(str(path), num_threads=1)
    fps, count = reader.get_avg_fps(), len(reader)
    for start in np.arange(0, count, CLIP_SEC * fps):
        end = min(count, start + CLIP_SEC * fps)
        video = decord.VideoReader(str(path), num_threads=1)  # opened for each clip
        wanted = int((end - start) / fps * RATE * FRAMES)
        places = np.linspace(start, end, wanted + 1).astype(int)[:-1]
        pixels = torch.from_numpy(video.get_batch(places).asnumpy()).float().permute(0, 3, 1, 2) / 255
        height, width = pixels.shape[-2:]
        scale = 256 / min(height, width)
        sides = (round(height * scale), round(width * scale))
        pixels = F.interpolate(pixels, sides, mode="bilinear", antialias=True)
        top, left = (sides[0] - 256) // 2, (sides[1] - 256) // 2
        pixels = pixels[..., top : top + 256, left : left + 256]
        pixels = F.interpolate(pixels, (SIZE, SIZE), mode="bilinear", antialias=True)
        yield pixels[: len(pixels) // FRAMES * FRAMES].unflatten(0, (-1, FRAMES))


WAYS: dict[str, Way] = {
    "curate features": ours,
    "a loop over decord": decord_loop,
    "EgoVLP's script": egovlp_script,
    "windows of two strides, ours": ours_overlapping,
    "windows of two strides, a loop over decord": decord_loop_overlapping,
}
RATIOS = (
    ("curate features", "a loop over decord"),
    ("curate features", "EgoVLP's script"),
    ("windows of two strides, ours", "windows of two strides, a loop over decord"),
)


def main() -> None:
    """Measure the ways in turns, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    hours = sum(length_sec(path) for path in given.videos) / 3600
    costs = measure(given.videos, given.turns)
    figures = [figure("footage", hours * 60, "minutes of video")]
    figures += [
        figure(name, median(hours * 3600 / cost for cost in each), "hours of video per hour and core")
        for name, each in costs.items()
    ]
    for fast, slow in RATIOS:
        ratio = median(b / a for a, b in zip(costs[fast], costs[slow], strict=True))
        figures.append(figure(f"{fast} over {slow}", ratio, "times as fast", "more than 1"))
    write_record("features_speed", figures)


def measure(videos: Sequence[Path], turns: int) -> dict[str, list[float]]:
    """Return the processor seconds of each way in each turn."""
    costs: dict[str, list[float]] = {name: [] for name in WAYS}
    with progress() as report:
        for turn in range(turns + 1):
            for number, (name, way) in enumerate(WAYS.items()):
                began = time.process_time()
                clips = sum(len(batch) for path in videos for batch in way(path))
                if turn:
                    costs[name].append(time.process_time() - began)
                if not clips:
                    raise SystemExit(f"{name}: no clip in {', '.join(map(str, videos))}")
                report("reading", turn * len(WAYS) + number + 1, (turns + 1) * len(WAYS))
    return costs


def _asked_one_by_one(video: decord.VideoReader, clips: np.ndarray) -> Iterator[Tensor]:
    for places in clips.tolist():
        pixels = torch.from_numpy(video.get_batch(places).asnumpy()).permute(0, 3, 1, 2)
        yield crop_and_resize(pixels, center_view(*pixels.shape[2:]), SIZE)[None]


if __name__ == "__main__":
    main()
