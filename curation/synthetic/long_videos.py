"""Invented long videos with planted answers: Ego4D's files of natural language queries and of moments."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from egocurate.curation.synthetic.render_all import RenderJob, render_all
from egocurate.curation.synthetic.root import video_entry
from egocurate.curation.synthetic.script import (
    ACTION_SEC,
    NOUNS,
    OBJECTS_PER_SCENE,
    VERBS,
    Action,
    Script,
    third_person,
)
from egocurate.curation.synthetic.stamp import is_made
from egocurate.progress import Report, silent
from egocurate.storage.atomic import write_json

MOST_TIMES = 4
"""An action is done up to so many times on end; together they are one moment."""

SHORTEST_GAP_SEC, LONGEST_GAP_SEC = 0.6, 2.0
_FIRST_SEED = 400_000


@dataclass(frozen=True)
class LongRootConfig:
    """Size of the invented data: videos to `train` on and unseen `val` ones."""

    train: int = 40
    val: int = 12
    video_sec: float = 90.0
    side: int = 96
    fps: int = 15
    seed: int = 0


class Moment(NamedTuple):
    """What is done with an object for a while."""

    verb: str
    noun: str
    start_sec: float
    end_sec: float


def write_long_root(root: Path, config: LongRootConfig | None = None, report: Report = silent) -> None:
    """Write videos, nlq_{train,val}.json and moments_{train,val}.json in Ego4D's layout; a finished one stays.

    A clip is a whole video. Each question has one answer in its video, and is asked as narrations tell it, in the words
    that pre-trained models know (NaQ, 2301.00746); a moment's label is its verb. Raises InputError
    if `root` holds one with other settings.
    """
    config = config or LongRootConfig()
    stamp = root / "long_root.json"
    if is_made(stamp, config, "invented videos"):
        return
    annotations, videos_dir = root / "v2" / "annotations", root / "v2" / "full_scale"
    for folder in (annotations, videos_dir):
        folder.mkdir(parents=True, exist_ok=True)
    jobs, entries, number = [], [], 0
    for split, count in (("train", config.train), ("val", config.val)):
        queries, moments = [], []
        for _ in range(count):
            rng = np.random.default_rng((config.seed, _FIRST_SEED, number))
            uid = _uid(config, f"video/{number}")
            script, planted = write_long_script(rng, config.video_sec)
            jobs.append(RenderJob(script, videos_dir / f"{uid}.mp4", _FIRST_SEED + number + 1_000_000 * config.seed))
            entries.append(video_entry(uid, split, script, [], side=config.side, fps=config.fps))
            clip = {
                "clip_uid": _uid(config, f"clip/{number}"),
                "video_start_sec": 0.0,
                "video_end_sec": config.video_sec,
            }
            video = {"video_uid": uid, "split": split}
            queries.append(video | {"clips": [clip | {"annotations": [_questions(rng, uid, planted)]}]})
            moments.append(video | {"clips": [clip | {"annotations": [_labels(uid, planted)]}]})
            number += 1
        for name, videos in (("nlq", queries), ("moments", moments)):
            note = {"version": "v2", "date": "", "description": "invented", "split": split, "videos": videos}
            write_json(annotations / f"{name}_{split}.json", note)
    write_json(root / "ego4d.json", {"version": "v2", "videos": entries, "concurrent_video_sets": []})
    render_all(jobs, side=config.side, fps=config.fps, report=report)
    write_json(stamp, asdict(config))


def write_long_script(rng: np.random.Generator, duration_sec: float) -> tuple[Script, list[Moment]]:
    """Draw objects, and moments that fill a video: an action done several times on end; no two are of one action."""
    objects = tuple(str(noun) for noun in rng.choice(sorted(NOUNS), OBJECTS_PER_SCENE, replace=False))
    pairs = rng.permutation([(verb, noun) for verb in sorted(VERBS) for noun in objects]).tolist()
    actions, planted, start = [], [], float(rng.uniform(SHORTEST_GAP_SEC, LONGEST_GAP_SEC))
    for verb, noun in pairs:
        times = int(rng.integers(1, MOST_TIMES + 1))
        end = start + times * ACTION_SEC
        if end > duration_sec:
            break
        actions += [Action(start + (n + 0.5) * ACTION_SEC, verb, noun) for n in range(times)]
        planted.append(Moment(verb, noun, start, end))
        start = end + float(rng.uniform(SHORTEST_GAP_SEC, LONGEST_GAP_SEC))
    return Script(duration_sec, objects, tuple(actions)), planted


def _questions(rng: np.random.Generator, uid: str, planted: list[Moment]) -> dict:
    asked = []
    for moment in planted:
        verb = VERBS[moment.verb][rng.integers(len(VERBS[moment.verb]))]
        noun = NOUNS[moment.noun][rng.integers(len(NOUNS[moment.noun]))]
        asked.append(
            {
                "clip_start_sec": moment.start_sec,
                "clip_end_sec": moment.end_sec,
                "video_start_sec": moment.start_sec,
                "video_end_sec": moment.end_sec,
                "template": "",
                "query": f"#C C {third_person(verb)} the {noun}",
            }
        )
    return {"annotation_uid": _name(f"{uid}/nlq"), "language_queries": asked}


def _labels(uid: str, planted: list[Moment]) -> dict:
    labels = [
        {
            "start_time": moment.start_sec,
            "end_time": moment.end_sec,
            "video_start_time": moment.start_sec,
            "video_end_time": moment.end_sec,
            "label": f"{third_person(moment.verb)}_an_object",
            "primary": True,
        }
        for moment in planted
    ]
    return {"annotator_uid": _name(f"{uid}/moments"), "labels": labels}


def _uid(config: LongRootConfig, what: str) -> str:
    return _name(f"egocurate-long/{config.seed}/{what}")


def _name(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))
