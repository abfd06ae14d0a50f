"""Invented long videos with planted answers: Ego4D's files of natural language queries and of moments."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
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
    clips: int = 1
    """of a video, one after the other; each has questions of its own"""
    clip_sec: float = 90.0
    side: int = 96
    fps: int = 15
    seed: int = 0

    @property
    def video_sec(self) -> float:
        """Length of a video."""
        return self.clips * self.clip_sec


class Moment(NamedTuple):
    """What is done with an object for a while, in seconds of the video."""

    verb: str
    noun: str
    start_sec: float
    end_sec: float


def write_long_root(root: Path, config: LongRootConfig | None = None, report: Report = silent) -> None:
    """Write videos, nlq_{train,val}.json and moments_{train,val}.json in Ego4D's layout; a finished one stays.

    The clips of a video fill it. Each question has one answer in its clip, and is asked as narrations tell it, in the
    words that pre-trained models know (NaQ, 2301.00746); a moment's label is its verb. Raises InputError
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
            script, planted = write_long_script(rng, config.clip_sec, config.clips)
            jobs.append(RenderJob(script, videos_dir / f"{uid}.mp4", _FIRST_SEED + number + 1_000_000 * config.seed))
            entries.append(video_entry(uid, split, script, [], side=config.side, fps=config.fps))
            clips = [_Clip(config, uid, number, place) for place in range(config.clips)]
            video = {"video_uid": uid, "split": split}
            asked = [clip.entry(_questions(rng, clip, own)) for clip, own in zip(clips, planted, strict=True)]
            told = [clip.entry(_labels(clip, own)) for clip, own in zip(clips, planted, strict=True)]
            queries.append(video | {"clips": asked})
            moments.append(video | {"clips": told})
            number += 1
        for name, videos in (("nlq", queries), ("moments", moments)):
            note = {"version": "v2", "date": "", "description": "invented", "split": split, "videos": videos}
            write_json(annotations / f"{name}_{split}.json", note)
    write_json(root / "ego4d.json", {"version": "v2", "videos": entries, "concurrent_video_sets": []})
    render_all(jobs, side=config.side, fps=config.fps, report=report)
    write_json(stamp, asdict(config))


def write_long_script(
    rng: np.random.Generator, clip_sec: float, clips: int = 1
) -> tuple[Script, list[tuple[Moment, ...]]]:
    """Draw objects, and for each clip moments that fill it: an action done several times on end, none twice in a clip.

    Of several clips each leaves one of the objects alone, another one than the clip before.
    """
    objects = tuple(str(noun) for noun in rng.choice(sorted(NOUNS), OBJECTS_PER_SCENE, replace=False))
    planted = []
    for clip in range(clips):
        handled = [noun for place, noun in enumerate(objects) if clips == 1 or place != clip % len(objects)]
        planted.append(tuple(_moments(rng, handled, clip * clip_sec, (clip + 1) * clip_sec)))
    actions = tuple(action for moments in planted for moment in moments for action in _actions(moment))
    return Script(clips * clip_sec, objects, actions), planted


def _moments(rng: np.random.Generator, objects: list[str], start_sec: float, end_sec: float) -> Iterator[Moment]:
    pairs = rng.permutation([(verb, noun) for verb in sorted(VERBS) for noun in objects]).tolist()
    start = start_sec + float(rng.uniform(SHORTEST_GAP_SEC, LONGEST_GAP_SEC))
    for verb, noun in pairs:
        end = start + int(rng.integers(1, MOST_TIMES + 1)) * ACTION_SEC
        if end > end_sec:
            return
        yield Moment(verb, noun, start, end)
        start = end + float(rng.uniform(SHORTEST_GAP_SEC, LONGEST_GAP_SEC))


def _actions(moment: Moment) -> Iterator[Action]:
    for time in range(round((moment.end_sec - moment.start_sec) / ACTION_SEC)):
        yield Action(moment.start_sec + (time + 0.5) * ACTION_SEC, moment.verb, moment.noun)


class _Clip:
    """A clip of a video, by its place there."""

    def __init__(self, config: LongRootConfig, video: str, number: int, place: int) -> None:
        """Take the video's uid and its number among all."""
        self.start_sec, self.end_sec = place * config.clip_sec, (place + 1) * config.clip_sec
        self.uid = _uid(config, f"clip/{number * config.clips + place}")
        self.key = f"{video}/{place}" if place else video

    def entry(self, annotation: dict) -> dict:
        """Return what Ego4D's files say of it."""
        where = {"video_start_sec": self.start_sec, "video_end_sec": self.end_sec}
        return {"clip_uid": self.uid} | where | {"annotations": [annotation]}


def _questions(rng: np.random.Generator, clip: _Clip, planted: Sequence[Moment]) -> dict:
    asked = []
    for moment in planted:
        verb = VERBS[moment.verb][rng.integers(len(VERBS[moment.verb]))]
        noun = NOUNS[moment.noun][rng.integers(len(NOUNS[moment.noun]))]
        asked.append(
            {
                "clip_start_sec": moment.start_sec - clip.start_sec,
                "clip_end_sec": moment.end_sec - clip.start_sec,
                "video_start_sec": moment.start_sec,
                "video_end_sec": moment.end_sec,
                "template": "",
                "query": f"#C C {third_person(verb)} the {noun}",
            }
        )
    return {"annotation_uid": _name(f"{clip.key}/nlq"), "language_queries": asked}


def _labels(clip: _Clip, planted: Sequence[Moment]) -> dict:
    labels = [
        {
            "start_time": moment.start_sec - clip.start_sec,
            "end_time": moment.end_sec - clip.start_sec,
            "video_start_time": moment.start_sec,
            "video_end_time": moment.end_sec,
            "label": f"{third_person(moment.verb)}_an_object",
            "primary": True,
        }
        for moment in planted
    ]
    return {"annotator_uid": _name(f"{clip.key}/moments"), "labels": labels}


def _uid(config: LongRootConfig, what: str) -> str:
    return _name(f"egocurate-long/{config.seed}/{what}")


def _name(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))
