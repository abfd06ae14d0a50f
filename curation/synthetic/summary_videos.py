"""Invented videos with summaries, in the form that query-focused summaries are published in for UT-Ego."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from egocurate.curation.synthetic.render_all import RenderJob, render_all
from egocurate.curation.synthetic.script import ACTION_SEC, NOUNS, OBJECTS_PER_SCENE, VERBS, Action, Script
from egocurate.curation.synthetic.stamp import is_made
from egocurate.progress import Report, silent
from egocurate.storage.atomic import write_json, write_text

SHOT_SEC = 5.0
SHARE = 0.02
"""of a video's shots that its summaries show"""
_FIRST_SEED = 700_000


@dataclass(frozen=True)
class SummaryRootConfig:
    """Size of the invented data; UT-Ego's are four videos, too, of three to five hours."""

    videos: int = 4
    video_sec: float = 600.0
    side: int = 96
    fps: int = 15
    seed: int = 0


def write_summary_root(root: Path, config: SummaryRootConfig | None = None, report: Report = silent) -> None:
    """Write videos/P01.mp4 and on, the concepts of their shots, and summaries of pairs of them; a finished one stays.

    The concepts of a shot are the things that are handled in it. Raises InputError if `root` holds one with other
    settings.
    """
    config = config or SummaryRootConfig()
    stamp = root / "summary_root.json"
    if is_made(stamp, config, "invented videos"):
        return
    jobs = []
    for number in range(config.videos):
        name = f"P{number + 1:02d}"
        script = write_activities(np.random.default_rng((config.seed, _FIRST_SEED, number)), config.video_sec)
        _write_annotations(root, name, shots_of(script))
        seed = _FIRST_SEED + number + 1_000_000 * config.seed
        jobs.append(RenderJob(script, root / "videos" / f"{name}.mp4", seed))
    (root / "videos").mkdir(exist_ok=True)
    render_all(jobs, side=config.side, fps=config.fps, report=report)
    write_json(stamp, asdict(config))


def write_activities(rng: np.random.Generator, duration_sec: float) -> Script:
    """Draw objects, and activities of half a minute to a minute, in each of which two of the objects are handled."""
    objects = tuple(str(noun) for noun in rng.choice(sorted(NOUNS), OBJECTS_PER_SCENE, replace=False))
    pairs = list(combinations(objects, 2))
    actions: list[Action] = []
    time_sec, until, pair = 1.5, 0.0, pairs[0]
    while time_sec < duration_sec - ACTION_SEC / 2:
        if time_sec >= until:
            pair, until = pairs[rng.integers(len(pairs))], time_sec + rng.uniform(30, 60)
        actions.append(Action(float(time_sec), sorted(VERBS)[rng.integers(len(VERBS))], pair[rng.integers(2)]))
        time_sec += rng.uniform(2.6, 4.2)
    return Script(duration_sec, objects, tuple(actions))


def shots_of(script: Script) -> list[set[str]]:
    """Return what is handled in each whole shot of a script, most of an action long at least."""
    shots: list[set[str]] = [set() for _ in range(int(script.duration_sec / SHOT_SEC))]
    for action in script.actions:
        for number in {int((action.time_sec + side * ACTION_SEC / 4) / SHOT_SEC) for side in (-1, 1)}:
            if number < len(shots):
                shots[number].add(action.noun.capitalize())
    return shots


def summary_of(shots: Sequence[set[str]], query: tuple[str, str]) -> list[int]:
    """Return the shots, from 1, that a person would show for two concepts: those of both before those of one."""
    count = max(1, round(len(shots) * SHARE))
    chosen: list[int] = []
    for common in (2, 1):
        there = [number for number, shown in enumerate(shots, 1) if len(shown.intersection(query)) == common]
        left = min(count - len(chosen), len(there))
        chosen += [there[int(place)] for place in np.linspace(0, len(there) - 1, left)] if left else []
    return sorted(chosen)


def _write_annotations(root: Path, name: str, shots: Sequence[set[str]]) -> None:
    tags = root / "Dense_per_shot_tags" / name / f"{name}.txt"
    summaries = root / "Query-Focused_Summaries" / "Oracle_Summaries" / name
    for folder in (tags.parent, summaries):
        folder.mkdir(parents=True, exist_ok=True)
    write_text(tags, "".join(f"{','.join(sorted(shot))}\n" for shot in shots))
    for query in combinations(sorted(set().union(*shots)), 2):
        lines = "".join(f"{number}\n" for number in summary_of(shots, query))
        write_text(summaries / f"{'_'.join(query)}_oracle.txt", lines)
