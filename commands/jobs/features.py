"""Features of long videos, of stretches of videos and of texts, by a run or a release."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from egocurate.console import progress, say
from egocurate.curation.text.as_narrated import in_form
from egocurate.errors import InputError
from egocurate.loaders.videos.long_videos import find_videos
from egocurate.loaders.videos.stretch_table import StretchTable, read_stretches
from egocurate.progress import Report
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks, open_ranks
from egocurate.training.run.model_source import ModelSource
from egocurate.training.systems import System
from egocurate.training.tasks.embed import Embedder
from egocurate.training.tasks.eval_batch import clips_at_once
from egocurate.training.tasks.features import FeatureJob, write_features
from egocurate.training.tasks.stretch_features import FAILED, StretchJob, write_stretch_features
from egocurate.training.tasks.text_features import read_texts_to_embed, write_text_features

NAMED = 20  # of what is bad, so many are named


@dataclass(frozen=True)
class FeatureRequest:
    """What is to be embedded into the folder `out`: videos, whole or stretches of them, and texts, as far as given."""

    out: Path
    form: str
    videos: Path | None = None
    rate: float = 1.875
    """clips per second of whole videos"""
    stretches: Path | None = None
    texts: Path | None = None


class _Model(NamedTuple):
    config: TrainConfig
    system: System
    ranks: Ranks
    at_once: int
    made_by: dict[str, object]


def features_of_run(source: ModelSource, request: FeatureRequest, changes: list[str]) -> bool:
    """Write the features that are asked for; returns whether all could be had.

    Every rank calls this; the first one says what came out. `changes` are `key=value` settings of the model.
    Raises InputError for a user's mistake.
    """
    config = source.read(changes)
    videos = find_videos(request.videos) if request.videos else {}
    table = read_stretches(request.stretches, videos) if request.stretches else None
    texts = read_texts_to_embed(request.texts) if request.texts else []
    whole = True
    with open_ranks(config) as ranks, progress(ranks.main) as report:
        loaded = source.load(config, ranks)
        if texts and not loaded.system.embedding:
            raise InputError(f"{config.system} has no text tower: leave --texts out")
        made_by = {"run": source.where, "weights": loaded.digest, **loaded.origin, "bf16": ranks.bf16}
        model = _Model(config, loaded.system, ranks, clips_at_once(config, loaded.system, ranks), made_by)
        if table is not None:
            whole = _stretches(request, table, videos, model, report)
        elif videos:
            whole = _long_videos(request, videos, model, report)
        if texts:
            _texts(request, texts, model)
    return whole


def _long_videos(request: FeatureRequest, paths: dict[str, Path], model: _Model, report: Report) -> bool:
    data, out = model.config.data, request.out
    job = FeatureJob(paths, out, request.rate, data.frames, data.size, data.workers, model.at_once, request.form)
    bad = write_features(job, model.made_by, model.system, model.ranks, report, say)
    if model.ranks.main:
        name_bad([f"{paths[name]} ({reason})" for name, reason in bad.items()], out / "failed")
        print(f"{len(paths) - len(bad):,} of {len(paths):,} videos have features in {out}", flush=True)
    return not bad


def _stretches(
    request: FeatureRequest, table: StretchTable, videos: dict[str, Path], model: _Model, report: Report
) -> bool:
    data = model.config.data
    job = StretchJob(
        table,
        videos,
        request.out,
        request.form,
        frames=data.frames,
        size=data.size,
        workers=data.workers,
        clips_at_once=model.at_once,
    )
    failed = write_stretch_features(job, model.made_by, model.system, model.ranks, report)
    if model.ranks.main:
        where = {row: (videos[table.videos[row]], *table.stretches[row]) for row in failed}
        lines = [f"row {row + 1}, {where[row][0]}, {where[row][1]:g} to {where[row][2]:g} s" for row in failed]
        bad = [f"{line} ({reason})" for line, reason in zip(lines, failed.values(), strict=True)]
        name_bad(bad, request.out / FAILED)
        print(f"{len(table) - len(failed):,} of {len(table):,} stretches have features in {job.file}", flush=True)
    return not failed


def _texts(request: FeatureRequest, texts: list[str], model: _Model) -> None:
    """Embed texts in the form of those that the model has learned from."""
    form = model.config.data.text
    asked = in_form(texts, form)
    embedder = Embedder(model.system, model.ranks, 0, model.at_once)
    path = write_text_features(request.out, request.form, texts, asked, model.made_by | {"text": form}, embedder)
    if model.ranks.main:
        print(f"{len(texts):,} texts have features in {path}, read {form}", flush=True)


def name_bad(bad: Sequence[str], where: Path | None) -> None:
    """Say on stderr what is bad, up to NAMED of it; `where` names them all, if there is such a file."""
    for one in bad[:NAMED]:
        print(f"bad: {one}", file=sys.stderr)
    if len(bad) > NAMED:
        rest = f": {where} names them" if where else ""
        print(f"and {len(bad) - NAMED:,} more bad ones{rest}", file=sys.stderr)
