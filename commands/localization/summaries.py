"""The job of the verb qfvs: summaries of each video in its turn, learned from those of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from egocurate.commands.jobs.features import name_bad
from egocurate.commands.localization.stretches import device_of
from egocurate.commands.localization.text_reader import TextReader
from egocurate.console import progress, say
from egocurate.errors import InputError
from egocurate.models.localization.config import ShotRankerConfig
from egocurate.storage.atomic import write_json
from egocurate.storage.fingerprint import folder_fingerprint
from egocurate.training.localization.feature_folders import BadFeatures, open_features
from egocurate.training.localization.loop import RESULT, Fit, LoopConfig, claim, learn
from egocurate.training.localization.qfvs_files import SUMMARIES, TAGS, TaggedVideo, read_qfvs
from egocurate.training.localization.query_task import Embed
from egocurate.training.localization.shot_features import shot_rows
from egocurate.training.localization.summary_task import SummaryTask

FIGURES = ("F1", "precision", "recall")


@dataclass(frozen=True)
class SummaryRequest:
    """Folders of features, the folder of summaries in the published form, and the folder of the run."""

    features: Sequence[Path]
    rate: float | None
    annotations: Path
    out: Path
    share: float
    """of a video's shots that a summary shows"""
    text: str = ""
    """a run or weights that embed the queries; none: their concepts are learned from nothing"""
    resume: bool = False
    gpu: bool = True
    """take a GPU where there is one"""
    sizes: ShotRankerConfig | None = None
    """of the model; none: those of EgoVLPv2"""


class _Known(NamedTuple):
    """Videos that have features, the rows of their shots, the names of concepts, and what embeds queries."""

    videos: list[TaggedVideo]
    rows: dict[str, np.ndarray]
    concepts: list[str]
    embed: Embed | None


def run_qfvs(request: SummaryRequest, config: LoopConfig) -> bool:
    """Learn and test summaries; returns whether all videos had features. Raises InputError for a mistake."""
    videos, concepts = read_qfvs(request.annotations)
    summaries = sum(len(video.summaries) for video in videos)
    print(f"{request.annotations}: {len(videos)} videos, {summaries:,} summaries, {len(concepts)} concepts", flush=True)
    rows, bad = _features(request, videos)
    known = _Known([video for video in videos if video.name in rows], rows, concepts, None)
    if len(known.videos) < 2:
        raise InputError(
            f"{request.annotations}: {len(rows)} of its videos have features; two are the least, to learn from and to "
            "test on"
        )
    if request.text:
        known = known._replace(embed=TextReader(request.text, gpu=request.gpu).sentences)
    figures: dict[str, dict[str, float]] = {}
    with progress() as report:
        for number, video in enumerate(known.videos):
            fit = _fit(video, known, request, config)
            if number == 0:
                claim(replace(fit, out=request.out))
            fit.out.mkdir(exist_ok=True)
            print(f"{video.name}: {len(fit.task):,} queries of the other videos to learn from", flush=True)
            figures[video.name] = learn(fit, device_of(gpu=request.gpu), say, report)
    _tell(figures, request.out, config)
    return not bad


def _fit(video: TaggedVideo, known: _Known, request: SummaryRequest, config: LoopConfig) -> Fit:
    """Return what is to be learned to summarize a video: from all others, in a folder of its name."""
    torch.manual_seed(config.seed)
    train = [other for other in known.videos if other is not video]
    task = SummaryTask(train, video, known.rows, known.concepts, known.embed, share=request.share, config=request.sizes)
    made_by = {
        "task": "SummaryTask",
        "videos": [video.name for video in known.videos],
        "features": [str(folder.resolve()) for folder in request.features],
        "text": request.text,
        "share": request.share,
        "sizes": asdict(request.sizes) if request.sizes else "as published",
        "annotations": [folder_fingerprint(request.annotations / part) for part in (TAGS, SUMMARIES)],
    }
    return Fit(task, config, request.out / video.name, made_by, request.resume)


def _features(request: SummaryRequest, videos: Sequence[TaggedVideo]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the features of the shots of each video that has some, and of the others what is wrong."""
    folders = open_features(request.features, request.rate)
    rows: dict[str, np.ndarray] = {}
    bad: list[str] = []
    for video in videos:
        try:
            rows[video.name] = shot_rows(video.name, len(video.shows), folders)
        except BadFeatures as error:
            bad.append(str(error))
    widths = f", {sum(folders.widths)} wide, {folders.rate:g} a second" if rows else ""
    print(f"{len(rows)} of {len(videos)} videos have features{widths}", flush=True)
    name_bad(bad, None)
    return rows, bad


def _tell(figures: dict[str, dict[str, float]], out: Path, config: LoopConfig) -> None:
    """Print the figures of each video and their means, and keep them."""
    means = {name: float(np.mean([each[name] for each in figures.values()])) for name in FIGURES}
    print(f"  {'':<20}" + "".join(f"{name:>12}" for name in FIGURES))
    for video, each in (figures | {"mean": means}).items():
        print(f"  {video:<20}" + "".join(f"{each[name]:>10.2f} %" for name in FIGURES))
    write_json(out / RESULT, means | {"videos": figures, "epochs": config.epochs})
