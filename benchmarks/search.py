"""Search by words: how fast an index of a million windows answers, and how often the demo's model finds what is asked.

    python -m benchmarks.search                 speed, on rows that are drawn at random
    python -m benchmarks.search --demo demo     and quality, by the run of `curate demo --out demo` on its unseen videos

A text is found if one of the first five hits overlaps an action with its verb and noun (intersection over union of at
least 0.3). The texts are one for each distinct action of these videos, as the demo's annotators would write it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from benchmarks.record import figure, write_record
from egocurate.curation.synthetic import DemoRootConfig
from egocurate.curation.synthetic.script import ACTION_SEC, write_script
from egocurate.curation.text.as_narrated import as_narrated
from egocurate.progress import silent
from egocurate.training.run.load_model import Model, load_model
from egocurate.training.search import Hit, SearchIndex
from egocurate.training.search.add_videos import WindowSettings, add_videos
from egocurate.training.search.index_folder import Packed, VideoFile
from egocurate.training.tasks.embed import Embedder

WINDOWS, CHANNELS, WINDOWS_OF_VIDEO = 1_000_000, 256, 1_000
FIRST, LEAST_IOU = 5, 0.3
TURNS = 7
Action = tuple[str, str]  # verb, noun
Spans = dict[Action, list[tuple[str, float, float]]]  # video, start, end


def measure_speed(folder: Path, windows: int = WINDOWS) -> list[dict[str, object]]:
    """Search rows of one length, mapped from a file in `folder`, on one core, and return the figures."""
    torch.set_num_threads(1)
    index = _random_index(folder, windows)
    queries = normalize(torch.randn(TURNS, CHANNELS), dim=1)
    index.search(queries[:1])  # what is not in memory yet is read now
    seconds = []  # of the processor: what else the machine does is not counted
    for query in queries:
        began = time.process_time()
        index.search(query[None])
        seconds.append(time.process_time() - began)
    return [
        figure("windows in the index", windows, "windows"),
        figure("the ten hits of a text, processor time of one core", float(np.median(seconds)) * 1e3, "ms", "< 100"),
    ]


def _random_index(folder: Path, windows: int) -> SearchIndex:
    rng, rows = np.random.default_rng(0), folder / "rows.npy"
    mapped = np.lib.format.open_memmap(rows, "w+", np.float16, (windows, CHANNELS))
    for first in range(0, windows, 1 << 16):
        part = torch.from_numpy(rng.standard_normal(mapped[first : first + (1 << 16)].shape, np.float32))
        mapped[first : first + (1 << 16)] = normalize(part, dim=1).half().numpy()
    mapped.flush()
    number = np.arange(windows)
    starts = (number % WINDOWS_OF_VIDEO) * 0.5
    video = (number // WINDOWS_OF_VIDEO).astype(np.int32)
    names = tuple(f"video-{each}" for each in range(int(video[-1]) + 1))
    files = tuple(VideoFile(name, 1, 1) for name in names)
    return SearchIndex(Packed(names, files, np.load(rows, mmap_mode="c"), video, np.stack([starts, starts + 1], 1)))


def measure_quality(demo: Path, run: Path, folder: Path) -> list[dict[str, object]]:
    """Search the demo's unseen videos for each of their distinct actions, and return the figures."""
    model, spans = load_model(run, device="cpu"), unseen_actions()
    paths = {video: _path(demo, video) for places in spans.values() for video, _, _ in places}
    data = model.config.data
    embedder = Embedder(model.system, model.ranks, data.workers, 32)
    add_videos(folder, paths, WindowSettings(data.frames, data.size), {"weights": str(run)}, embedder, silent)
    index, actions = SearchIndex.open(folder), list(spans)
    queries = model.embed_text([as_narrated(f"{verb} the {noun}") for verb, noun in actions])
    narrated = index.search(queries, FIRST)
    typed = index.search(model.embed_text([as_narrated(f"{verb} {noun}") for verb, noun in actions]), FIRST)
    right = [_right(hits, spans[action]) for action, hits in zip(actions, narrated, strict=True)]
    right_typed = [_right(hits, spans[action]) for action, hits in zip(actions, typed, strict=True)]
    of_noun = _by_noun(spans)
    things = [_right(hits, of_noun[noun]) for (_, noun), hits in zip(actions, narrated, strict=True)]
    return [
        figure("distinct actions of the demo's unseen videos", len(actions), "actions"),
        figure("actions found among the first five hits", _percent(right), "%", ">= 80"),
        figure("the same, of texts without an article", _percent(right_typed), "%"),
        figure("actions found by the first hit", _percent([hits[:1] for hits in right]), "%"),
        figure("things of the actions found among the first five hits", _percent(things), "%"),
        figure("actions found if the model is given where each begins", _by_segments(model, demo, spans, queries), "%"),
    ]


def _by_segments(model: Model, demo: Path, spans: Spans, queries: torch.Tensor) -> float:
    """Return how many percent of the actions the model finds among the middle seconds of all: what search can reach."""
    of_video = defaultdict(list)
    for action, places in spans.items():
        for video, start, end in places:
            of_video[video].append((action, ((start + end - 1) / 2, (start + end + 1) / 2)))
    rows = [model.embed_video(_path(demo, video), [each for _, each in some]) for video, some in of_video.items()]
    shown = [action for some in of_video.values() for action, _ in some]
    best = (queries @ torch.cat(rows).T).topk(FIRST, dim=1).indices.tolist()
    return _percent([[shown[place] == action for place in first] for action, first in zip(spans, best, strict=True)])


def _path(demo: Path, video: str) -> Path:
    return demo / "ego4d" / "v2" / "full_scale" / f"{video}.mp4"


def unseen_actions(config: DemoRootConfig | None = None) -> Spans:
    """Return where each distinct action of the demo's validation videos is: they are in no shard that trains."""
    config, spans = config or DemoRootConfig(), defaultdict(list)
    for place in range(config.train, config.train + config.val):
        video = str(uuid.uuid5(uuid.NAMESPACE_URL, f"egocurate-demo/{config.seed}/{place}"))
        for action in write_script(np.random.default_rng((config.seed, place)), config.video_sec).actions:
            start, end = action.time_sec - ACTION_SEC / 2, action.time_sec + ACTION_SEC / 2
            spans[action.verb, action.noun].append((video, start, end))
    return dict(spans)


def _by_noun(spans: Spans) -> dict[str, list[tuple[str, float, float]]]:
    """Return where anything is done with each noun."""
    places = defaultdict(list)
    for (_, noun), some in spans.items():
        places[noun] += some
    return places


def _right(hits: Sequence[Hit], places: Sequence[tuple[str, float, float]]) -> list[bool]:
    """Tell of each hit whether it is at one of these places."""
    return [any(_iou(hit, *place) >= LEAST_IOU for place in places) for hit in hits]


def _iou(hit: Hit, video: str, start: float, end: float) -> float:
    """Return the seconds that a hit and a place share over those that either has."""
    shared = min(hit.end_sec, end) - max(hit.start_sec, start)
    return max(0.0, shared) / (max(hit.end_sec, end) - min(hit.start_sec, start)) if hit.video == video else 0.0


def _percent(right: Sequence[Sequence[bool]]) -> float:
    """Return of how many texts any hit is right."""
    return 100 * float(np.mean([any(hits) for hits in right]))


def main() -> None:
    """Measure in a temporary folder and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, help="what `curate demo --out` wrote")
    parser.add_argument("--run", type=Path, help="another run on the demo's shards than its own: nothing is kept then")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if given.run:
            print(measure_quality(given.demo, given.run, folder / "index"))
            return
        figures = measure_speed(folder)
        if given.demo:
            figures += measure_quality(given.demo, given.demo / "run", folder / "index")
        write_record("search", figures)


if __name__ == "__main__":
    main()
