"""Jobs of the verbs nlq and mq: files and features into a task, the task learned, its figures said."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from egocurate.commands.jobs.features import name_bad
from egocurate.commands.localization.text_reader import TextReader
from egocurate.console import progress, say
from egocurate.models.localization.config import DetectorConfig, VSLNetConfig
from egocurate.progress import Report
from egocurate.storage.fingerprint import fingerprint
from egocurate.training.localization.clip_features import ClipFeatures, load_clips
from egocurate.training.localization.ego4d_json import ClipEntry, check_one_version
from egocurate.training.localization.feature_folders import open_features
from egocurate.training.localization.loop import Fit, Localizer, LoopConfig, claim, learn
from egocurate.training.localization.moment_task import MomentTask
from egocurate.training.localization.moments_json import read_moments
from egocurate.training.localization.nlq_json import Query, read_queries
from egocurate.training.localization.query_head import write_head
from egocurate.training.localization.query_task import QueryTask, TextTowers
from egocurate.training.run.model_source import source_of


@dataclass(frozen=True)
class LocalizeRequest:
    """Folders of features, the files to learn from and to test on, and the folder of the run."""

    features: Sequence[Path]
    rate: float | None
    train: Path
    test: Path
    out: Path
    positions: int
    """a clip's features are pooled to at most so many"""
    text: str = ""
    """a run or weights that embed the questions, as a whole; none: they are their words alone"""
    words: str = ""
    """a run or weights that embed their tokens; none: their words are learned from nothing"""
    resume: bool = False
    gpu: bool = True
    """take a GPU where there is one"""
    sizes: VSLNetConfig | DetectorConfig | None = None
    """of the model; none: those of its paper"""


def run_nlq(request: LocalizeRequest, config: LoopConfig) -> bool:
    """Learn and test natural language queries; returns whether all clips had features. InputError for mistakes."""
    train, test = read_queries(request.train), read_queries(request.test)
    check_one_version([(request.train, train.version), (request.test, test.version)])
    for path, read in ((request.train, train), (request.test, test)):
        untold = "" if read is test else f", {sum(not q.has_answer for q in read.queries):,} with no stretch to learn"
        print(f"{path.name}: {len(read.queries):,} questions{untold}{_left_out(read.left_out)}", flush=True)
    with progress() as report:
        clips, rate = _clips(request, [query.clip for query in (*train.queries, *test.queries)], report)
        task = _query_task(train.queries, test.queries, clips, request, config.seed)
        fit = _fit(task, request, config)
        read_by = {key: source_of(by).where if by else "" for key, by in _read_by(request).items()}
        features = [str(folder.resolve()) for folder in request.features]
        write_head(request.out, task, request.positions, {"features": features, "rate": rate, **read_by})
        _learn(fit, request, report)
    return not clips.bad


def run_mq(request: LocalizeRequest, config: LoopConfig) -> bool:
    """Learn and test moment queries; returns whether all clips had features. Raises InputError for a mistake."""
    train, test = read_moments(request.train), read_moments(request.test)
    check_one_version([(request.train, train.version), (request.test, test.version)])
    for path, read in ((request.train, train), (request.test, test)):
        moments = sum(len(clip.labels) for clip in read.clips)
        print(f"{path.name}: {len(read.clips):,} clips, {moments:,} moments{_left_out(read.left_out)}", flush=True)
    with progress() as report:
        clips, _ = _clips(request, [clip.clip for clip in (*train.clips, *test.clips)], report)
        torch.manual_seed(config.seed)
        task = MomentTask(train.clips, test.clips, clips, request.sizes)
        _learn(_fit(task, request, config), request, report)
    return not clips.bad


def _query_task(
    train: list[Query], test: list[Query], clips: ClipFeatures, request: LocalizeRequest, seed: int
) -> QueryTask:
    readers = {source: TextReader(source, gpu=request.gpu) for source in {request.text, request.words} if source}
    towers = TextTowers(
        readers[request.text].sentences if request.text else None,
        readers[request.words].tokens if request.words else None,
    )
    torch.manual_seed(seed)
    return QueryTask(train, test, clips, towers, request.sizes)


def _read_by(request: LocalizeRequest) -> dict[str, str]:
    return {"text": request.text, "words": request.words}


def _left_out(reasons: dict[str, int]) -> str:
    return "".join(f"; left out: {count:,} that {reason}" for reason, count in reasons.items())


def _clips(request: LocalizeRequest, entries: Sequence[ClipEntry], report: Report) -> tuple[ClipFeatures, float]:
    """Return the features of clips, and their rate."""
    folders = open_features(request.features, request.rate)
    clips = load_clips(entries, folders, request.positions, report)
    count = len({entry.uid for entry in entries})
    print(
        f"{len(clips.pooled):,} of {count:,} clips have features, {clips.width} wide, {folders.rate:g} a second",
        flush=True,
    )
    name_bad(list(clips.bad.values()), None)
    return clips, folders.rate


def device_of(*, gpu: bool) -> torch.device:
    """Return a GPU where there is one, if it may be taken; the CPU otherwise."""
    return torch.device("cuda" if gpu and torch.cuda.is_available() else "cpu")


def _fit(task: Localizer, request: LocalizeRequest, config: LoopConfig) -> Fit:
    """Return what is to be learned, and have OUT be its folder."""
    made_by = {
        "task": type(task).__name__,
        "features": [str(folder.resolve()) for folder in request.features],
        "positions": request.positions,
        **_read_by(request),
        "sizes": asdict(request.sizes) if request.sizes else "as published",
        "train": fingerprint(request.train),
        "test": fingerprint(request.test),
    }
    fit = Fit(task, config, request.out, made_by, request.resume)
    claim(fit)
    return fit


def _learn(fit: Fit, request: LocalizeRequest, report: Report) -> None:
    figures = learn(fit, device_of(gpu=request.gpu), say, report)
    for name, value in figures.items():
        print(f"  {name:<12} {value:6.2f} %")
    if not figures:
        print("the answers are not told: predictions only", file=sys.stderr)
    print(f"predictions, ready to submit: {request.out / 'predictions.json'}")
