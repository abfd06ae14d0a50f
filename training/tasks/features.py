"""Features of long videos: an embedding for each clip of some frames, as Ego4D's NLQ and MQ models read them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from egocurate.errors import InputError
from egocurate.loaders.videos.long_videos import DenseClips
from egocurate.progress import Report, Stage
from egocurate.storage.atomic import remove_leftovers, write_json, write_text
from egocurate.storage.json_notes import read_note
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems import System
from egocurate.training.tasks.feature_files import write_rows
from egocurate.training.tasks.video_chunks import chunks_of_videos, longest_first, size_of
from egocurate.training.tasks.video_plan import Pace, VideoPlan, plan_videos

MADE_BY = "features.json"
BAD = "failed"
POLL_SEC = 1.0


@dataclass(frozen=True)
class FeatureJob:
    """Videos by name, the folder for their features, and what a clip shows: `rate` clips per second of `frames`."""

    videos: dict[str, Path]
    out: Path
    rate: float
    frames: int
    size: int
    workers: int
    """processes that decode, of each rank"""
    clips_at_once: int
    """clips that go through the model together, at most those of a chunk"""
    form: str = "pt"
    """one of `training.tasks.feature_files.FORMS`"""


def write_features(
    job: FeatureJob,
    made_by: dict[str, object],
    system: System,
    ranks: Ranks,
    report: Report,
    say: Callable[[str], None],
) -> dict[str, str]:
    """Write `<name>.<form>`, float32 [N, D], for each video that has none yet; return the bad ones with the reason.

    made_by: what the features depend on, written beside them, with the digest of the "weights" and, for the reader
    alone, the path of the "run". Every rank calls this and reports its own videos; the first says what is to be done.
    Raises InputError if OUT has features made otherwise.
    """
    _claim(job, {**made_by, "rate": job.rate, "frames": job.frames, "size": job.size}, ranks)
    missing = [name for name in job.videos if not _path(job, name).exists()]
    ranks.barrier()  # all have looked before one writes
    missing = longest_first(missing, job.videos)
    if ranks.main:  # the others' looks at thousands of videos would tell nobody anything
        _say_plan(job, missing, system, ranks, say)
    _write_share(job, missing[ranks.rank :: ranks.size], system, ranks, report)
    # The files tell when the others have ended: it may take longer than processes wait for each other.
    waiting = missing
    while waiting := [name for name in waiting if not (_path(job, name).exists() or _failure_path(job, name).exists())]:
        report(Stage("waiting", note=f"other ranks have {len(waiting):,} videos to go"), 0, 0)
        time.sleep(POLL_SEC)
    return {name: _failure_path(job, name).read_text() for name in missing if _failure_path(job, name).exists()}


def _claim(job: FeatureJob, made_by: dict[str, object], ranks: Ranks) -> None:
    """Write to OUT what its features depend on, and forget which videos were bad; InputError for other features."""
    path = job.out / MADE_BY
    videos = {name: size_of(video) for name, video in job.videos.items()}
    if path.exists():
        old = read_note(path, dict, "name another folder")
        _refuse_other(job, old, made_by, videos)
        videos = old["videos"] | videos
    ranks.barrier()  # all have looked before one writes
    if ranks.main:
        (job.out / BAD).mkdir(parents=True, exist_ok=True)
        for path_of_failure in (job.out / BAD).iterdir():
            path_of_failure.unlink()
        remove_leftovers(job.out)
        write_json(path, made_by | {"videos": videos})
    ranks.barrier()


def _refuse_other(job: FeatureJob, old: dict[str, object], made_by: dict[str, object], videos: dict[str, int]) -> None:
    """Raise InputError if OUT has features of other weights or settings, or of another video of the same name."""
    videos_then = old.get("videos")
    if "weights" not in old or not isinstance(videos_then, dict):
        raise InputError(
            f"{job.out} holds features of an earlier version, which did not note the weights and the videos that they "
            f"are of: name another folder, or delete {MADE_BY} there to keep them as they are and go on"
        )
    differences = [
        f"{key} ({old.get(key)} -> {made_by[key]})" if key != "weights" else "other weights"
        for key in made_by
        if key != "run" and old.get(key) != made_by[key]
    ]
    if differences:
        raise InputError(
            f"{job.out} holds other features: {', '.join(differences)}; repeat that, or name another folder"
        )
    for name, size in videos.items():
        then = videos_then.get(name)
        if size and then not in (None, size) and _path(job, name).exists():
            raise InputError(
                f"{_path(job, name)}: of another video than {job.videos[name]} is now ({then} bytes "
                f"then, {size} now): delete it, and it is made again, or name another folder"
            )


def _say_plan(job: FeatureJob, missing: list[str], system: System, ranks: Ranks, say: Callable[[str], None]) -> None:
    if kept := len(job.videos) - len(missing):
        say(f"{kept:,} of {len(job.videos):,} videos have features in {job.out} already")
    if missing:
        say(str(_plan(job, missing, system, ranks)))


def _plan(job: FeatureJob, names: list[str], system: System, ranks: Ranks) -> VideoPlan:
    def embed(frames: Tensor) -> None:
        for part in frames.split(job.clips_at_once):
            _embedded(part, system, ranks).cpu()

    pace = Pace(min(job.workers, len(names)), min(ranks.size, len(names)), ranks.device.type == "cuda")
    return plan_videos({name: job.videos[name] for name in names}, _open_clips(job), embed, pace)


def _open_clips(job: FeatureJob) -> Callable[[Path], DenseClips]:
    return partial(DenseClips, frames=job.frames, size=job.size, rate=job.rate)


def _embedded(frames: Tensor, system: System, ranks: Ranks) -> Tensor:
    with torch.no_grad(), ranks.autocast():
        return system.features(frames.to(ranks.device, non_blocking=True)).float()


def _write_share(job: FeatureJob, names: list[str], system: System, ranks: Ranks, report: Report) -> None:
    rows: dict[str, list[Tensor]] = defaultdict(list)
    stretches: dict[str, list[np.ndarray]] = defaultdict(list)
    chunks = chunks_of_videos(
        {name: job.videos[name] for name in names},
        _open_clips(job),
        workers=job.workers,
        pin_memory=ranks.device.type == "cuda",
        stage="features",
        report=report,
    )
    for chunk in chunks:
        if chunk.bad:
            rows.pop(chunk.video, None)
            stretches.pop(chunk.video, None)
            write_text(_failure_path(job, chunk.video), chunk.bad)
        else:
            rows[chunk.video] += [_embedded(part, system, ranks) for part in chunk.frames.split(job.clips_at_once)]
            stretches[chunk.video].append(chunk.stretches)
            if chunk.last:
                features = torch.cat(rows.pop(chunk.video)).cpu().numpy()
                starts, ends = np.concatenate(stretches.pop(chunk.video)).T
                write_rows(
                    _path(job, chunk.video), features, {"start_sec": pa.array(starts), "end_sec": pa.array(ends)}
                )


def _path(job: FeatureJob, name: str) -> Path:
    return job.out / f"{name}.{job.form}"


def _failure_path(job: FeatureJob, name: str) -> Path:
    return job.out / BAD / f"{name}.txt"
