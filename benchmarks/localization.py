"""Queries, moments and summaries of invented long videos, by features of several kinds, from videos to figures.

    python -m benchmarks.localization RUN SCRATCH [--tasks nlq,mq,qfvs] [--kinds trained,...]
    python -m benchmarks.localization RUN SCRATCH --tasks nlq,mq --minutes 30
    python -m benchmarks.localization RUN SCRATCH --tasks nlq --kinds trained-words,trained-words-alone,trained-neither

RUN is a small pre-trained run, that of `curate demo`; SCRATCH keeps the videos and the features. Each kind of features
is learned from on the same 40 videos and tested on the same 12 unseen ones, of 90 s each, a clip; with `--minutes` on 6
and 2 videos of that length, each in clips of three minutes:
- trained: of RUN, and the questions embedded by it;
- untrained: of the same model before it has learned, its first weights drawn anew;
- planted: what is done in a row's stretch of time, as the script has it: nothing is left to see;
- shuffled: those rows in an order without meaning.
Summaries are of four videos of ten minutes, for the first two kinds alone; what made the features embeds the queries.
Of trained features questions can be read otherwise: their words by RUN beside the sentence (trained-words), or alone
(trained-words-alone), or nothing by it (trained-neither).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.record import figure, merge_record
from egocurate.commands.jobs.features import FeatureRequest, features_of_run
from egocurate.commands.localization.stretches import LocalizeRequest, run_mq, run_nlq
from egocurate.commands.localization.summaries import SummaryRequest, run_qfvs
from egocurate.curation.synthetic import LongRootConfig, write_long_root, write_summary_root
from egocurate.curation.synthetic.script import NOUNS, VERBS, third_person
from egocurate.curation.synthetic.summary_videos import SHARE, SHOT_SEC
from egocurate.models.localization.config import DetectorConfig, VSLNetConfig
from egocurate.training.localization.feature_folders import RATE
from egocurate.training.localization.loop import LoopConfig
from egocurate.training.run.load_model import load_model
from egocurate.training.run.model_source import source_of

TOLD_VERBS = {verb: tuple(map(third_person, words)) for verb, words in VERBS.items()}
BARS = {"trained": "at least 60", "untrained": "at most 20", "planted": "at least 90", "shuffled": "at most 10"}
READ_BY_RUN = {
    "trained": (("text",), ""),
    "trained-words": (("text", "words"), ", words read by the model, too"),
    "trained-words-alone": (("words",), ", words read by the model, no sentence"),
    "trained-neither": ((), ", words learned, no sentence"),
}
"""Kind of an NLQ run -> what of a question the run reads, and what a figure says of it."""
CLIP_SEC = 180.0
"""of a clip where a video has several"""


class _Videos(NamedTuple):
    """The run, a folder, the videos that are made there, and what a figure says of them."""

    run: Path
    folder: Path
    config: LongRootConfig = LongRootConfig()
    told: str = ""

    @property
    def root(self) -> Path:
        """Where videos and annotations are."""
        return self.folder / "root"


class _Task(NamedTuple):
    """How a task is run here, and the figures that are kept, the one with a bar first."""

    run: Callable[[LocalizeRequest, LoopConfig], bool]
    files: str
    positions: int
    """of a clip of 90 s"""
    sizes: VSLNetConfig | DetectorConfig
    loop: LoopConfig
    long_epochs: int
    """epochs where videos have several clips: in all they have three times as many questions"""
    figures: tuple[str, ...]


TASKS = {
    "nlq": _Task(
        run_nlq,
        "nlq",
        64,
        VSLNetConfig(width=64, convolutions=2),
        LoopConfig(20, batch_size=8),
        10,
        ("R1@0.3", "R1@0.5", "R5@0.3", "mIoU"),
    ),
    "mq": _Task(
        run_mq,
        "moments",
        2304,
        DetectorConfig(width=64, levels=4),
        LoopConfig(25, batch_size=2),
        25,
        ("R1x@0.3", "R1x@0.5", "mAP@0.1", "mAP"),
    ),
}


def main() -> None:
    """Make what is missing, learn, test, and keep the figures; what an earlier run has learned is taken as it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--tasks", default=",".join([*TASKS, "qfvs"]))
    parser.add_argument("--kinds", default=",".join(BARS))
    parser.add_argument("--minutes", type=float, help="length of videos of several clips (default: 90 s, one clip)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    videos = _Videos(given.run, given.scratch)
    if given.minutes:
        config = LongRootConfig(6, 2, clips=round(given.minutes * 60 / CLIP_SEC), clip_sec=CLIP_SEC)
        videos = _Videos(given.run, given.scratch / f"{given.minutes:g}-minutes", config, f" of {given.minutes:g} min")
    write_long_root(videos.root, videos.config)
    kinds = given.kinds.split(",")
    figures = [
        row
        for task in given.tasks.split(",")
        for kind in kinds
        for row in (_summary_figures(kind, videos) if task == "qfvs" else _figures(task, kind, videos))
    ]
    merge_record("localization", figures)


def _figures(name: str, kind: str, videos: _Videos) -> Iterator[dict[str, object]]:
    task, out, run = TASKS[name], videos.folder / f"{name}-{kind}", str(videos.run.resolve())
    reads, told = READ_BY_RUN.get(kind, ((), "")) if name == "nlq" else ((), "")
    files = [videos.root / "v2" / "annotations" / f"{task.files}_{split}.json" for split in ("train", "val")]
    positions = round(task.positions * videos.config.clip_sec / LongRootConfig().clip_sec)
    of = kind.partition("-")[0]
    features = make_features(of, videos)
    request = LocalizeRequest([features], None, *files, out, positions, resume=True, gpu=False, sizes=task.sizes)
    request = replace(request, **dict.fromkeys(reads, run))
    task.run(request, replace(task.loop, epochs=task.long_epochs) if videos.config.clips > 1 else task.loop)
    result = json.loads((out / "result.json").read_text())
    for what in task.figures:
        bar = BARS.get(kind) if what == task.figures[0] else None
        yield figure(f"{name}, {of} features{told}: {what} on unseen videos{videos.told}", result[what], "%", bar)


def _summary_figures(kind: str, videos: _Videos) -> Iterator[dict[str, object]]:
    """Yield F1 of query-focused summaries, which precision and recall equal here, as all are of one length."""
    if kind not in ("trained", "untrained"):
        return
    root, run, out = videos.folder / "summaries", _model(kind, videos), videos.folder / f"qfvs-{kind}"
    write_summary_root(root)
    features = _features_of(run, videos.folder / f"features-shots-{kind}", root / "videos", 1 / SHOT_SEC)
    request = SummaryRequest([features], None, root, out, SHARE, str(run.resolve()), resume=True, gpu=False)
    run_qfvs(request, LoopConfig(20, batch_size=20, lr=1e-3))
    result = json.loads((out / "result.json").read_text())
    yield figure(f"qfvs, {kind} features: F1, the mean of four unseen videos", result["F1"], "%")


def make_features(kind: str, videos: _Videos) -> Path:
    """Return the folder of a kind of features, made if it is not there."""
    folder = videos.folder / f"features-{kind}"
    if kind in ("planted", "shuffled"):
        _write_planted(folder, videos.root, shuffled=kind == "shuffled")
    else:
        _features_of(_model(kind, videos), folder, videos.root / "v2" / "full_scale", RATE)
    return folder


def _features_of(run: Path, folder: Path, videos: Path, rate: float) -> Path:
    features_of_run(source_of(run), FeatureRequest(folder, "pt", videos, rate), ["data.workers=1"])
    return folder


def _model(kind: str, videos: _Videos) -> Path:
    return videos.run if kind == "trained" else _untrained(videos.run, videos.folder / "untrained")


def _untrained(run: Path, folder: Path) -> Path:
    """Write a model given away with the sizes of a run, and weights that are drawn anew; returns its folder."""
    import egocurate

    if not folder.exists():
        model = load_model(run, device="cpu")
        torch.manual_seed(1)
        for module in model.system.model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        egocurate.save(model, folder)
    return folder


def _write_planted(folder: Path, root: Path, *, shuffled: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    verbs, nouns = sorted(VERBS), sorted(NOUNS)
    for split in ("train", "val"):
        for video in json.loads((root / "v2" / "annotations" / f"nlq_{split}.json").read_text())["videos"]:
            rows = np.zeros((int(video["clips"][-1]["video_end_sec"] * RATE), len(verbs) + len(nouns)), np.float32)
            asked = [one for clip in video["clips"] for one in clip["annotations"][0]["language_queries"]]
            for query in asked:
                first, end = (round(query[f"video_{side}_sec"] * RATE) for side in ("start", "end"))
                told = query["query"].lower()
                rows[first:end, _said(told, TOLD_VERBS)] = 1
                rows[first:end, len(verbs) + _said(told, NOUNS)] = 1
            if shuffled:
                rows = np.random.default_rng(int(video["video_uid"][:8], 16)).permutation(rows)
            torch.save(torch.from_numpy(rows), folder / f"{video['video_uid']}.pt")


def _said(text: str, classes: dict[str, tuple[str, ...]]) -> int:
    """Return which class a question names, by the longest of its words."""
    found = [(len(word), name) for name, words in classes.items() for word in words if f" {word} " in f"{text} "]
    return sorted(classes).index(max(found)[1])


if __name__ == "__main__":
    main()
