"""Render the videos of a synthetic data set, each as a task of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from egocurate.curation.synthetic.render import render
from egocurate.curation.synthetic.script import Script
from egocurate.progress import Report
from egocurate.storage.atomic import atomic_path, remove_leftovers
from egocurate.workers.choose import open_workers
from egocurate.workers.tasks import run_each

RENDERED_PER_SEC = 2_000  # frames, by a core: a guess on the slow side


class RenderJob(NamedTuple):
    """A script, the file to render it into, and the seed of its pictures."""

    script: Script
    path: Path
    seed: int


def render_all(jobs: Sequence[RenderJob], *, side: int, fps: int, report: Report, spots: float = 0.0) -> None:
    """Render every video, `side` x `side` pixels at `fps`, as `render` does; a video that is already there is kept."""
    todo = {place: (job, side, fps, spots) for place, job in enumerate(jobs) if not job.path.exists()}
    if not todo:
        return
    report("render", len(jobs) - len(todo), len(jobs))
    core_sec = sum(job.script.duration_sec for job, *_ in todo.values()) * fps / RENDERED_PER_SEC
    try:
        with open_workers(len(todo), core_sec, report) as workers:
            for done, ended in enumerate(run_each(workers, _render_one, todo), len(jobs) - len(todo) + 1):
                ended.result()
                report("render", done, len(jobs))
    finally:
        for folder in {job.path.parent for job in jobs}:
            remove_leftovers(folder)


def _render_one(job: RenderJob, side: int, fps: int, spots: float) -> None:
    with atomic_path(job.path) as temp:
        render(job.script, temp, side=side, fps=fps, seed=job.seed, spots=spots)
