"""Invented clips of one action with questions about them, in the files that EgoTaskQA (2210.03929) publishes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from egocurate.curation.synthetic.labeled_config import LabeledRootConfig, video_rng, video_seed
from egocurate.curation.synthetic.render_all import RenderJob, render_all
from egocurate.curation.synthetic.script import NOUNS, OBJECTS_PER_SCENE, VERBS, Action, Script
from egocurate.progress import Report, silent
from egocurate.storage.atomic import write_json

CLIP_SEC = 3.0
INTERVAL_FPS = 24
"""Frames per second in which the name of a clip counts its start and end."""

DIRECT, INDIRECT = "direct", "indirect"


class _Asked(NamedTuple):
    question: str
    answer: str
    semantic: str  # what is asked for: object, action
    structural: str  # query, or verify: yes or no
    reference: str  # whether things are called by their names


def write_egotaskqa(root: Path, config: LabeledRootConfig, report: Report = silent) -> None:
    """Write egotaskqa/: qa_videos/<interval>.mp4, and qa/{direct,indirect}/{train,test}_qas.json.

    Unlike the published normal split, in which questions of one clip are on both sides, clips of the test are unseen.
    As published, the indirect split learns from direct questions and is tested on the others.
    """
    folder = root / "egotaskqa"
    videos = folder / "qa_videos"
    videos.mkdir(parents=True, exist_ok=True)
    jobs, questions = [], {"train": [], "test": []}
    for number in range(config.train + config.test):
        rng = video_rng(config, "egotaskqa", number)
        objects = tuple(str(noun) for noun in rng.choice(sorted(NOUNS), OBJECTS_PER_SCENE, replace=False))
        action = Action(CLIP_SEC / 2, str(rng.choice(sorted(VERBS))), objects[0])
        interval = f"take-{number:04d}|P1|0|{round(CLIP_SEC * INTERVAL_FPS)}"
        script = Script(CLIP_SEC, objects, (action,))
        jobs.append(RenderJob(script, videos / f"{interval}.mp4", video_seed(config, "egotaskqa", number)))
        first = sum(map(len, questions.values()))
        entries = [
            _entry(asked, interval, number, first + place) for place, asked in enumerate(_questions(rng, action))
        ]
        questions["train" if number < config.train else "test"] += entries
    for split in (DIRECT, INDIRECT):
        (folder / "qa" / split).mkdir(parents=True, exist_ok=True)
        for name, all_of_it in questions.items():
            wanted = DIRECT if name == "train" else INDIRECT
            kept = [one for one in all_of_it if split == DIRECT or one["reference"] == wanted]
            write_json(folder / "qa" / split / f"{name}_qas.json", kept)
    render_all(jobs, side=config.side, fps=config.fps, report=report)


def _questions(rng: np.random.Generator, action: Action) -> Iterator[_Asked]:
    """Yield the questions about a clip; half of those of yes and no are wrong."""
    verb, noun = action.verb, action.noun
    yield _Asked("What does the person move?", noun, "object", "query", DIRECT)
    for question, classes, right, semantic, reference in (
        ("Does the person move the {}?", NOUNS, noun, "object", DIRECT),
        (f"Does the person {{}} the {noun}?", VERBS, verb, "action", DIRECT),
        ("Is the object that the person moves the {}?", NOUNS, noun, "object", INDIRECT),
    ):
        is_right = bool(rng.random() < 0.5)
        others = [name for name in sorted(classes) if name != right]
        said = right if is_right else str(rng.choice(others))
        yield _Asked(question.format(said), "yes" if is_right else "no", semantic, "verify", reference)
    yield _Asked(f"What does the person do with the {noun}?", verb, "action", "query", DIRECT)
    yield _Asked("What does the person do with the object that moves?", verb, "action", "query", INDIRECT)


def _entry(asked: _Asked, interval: str, video: int, number: int) -> dict[str, object]:
    kinds = {"type": ["descriptive"], "category": ["world"], **asked._asdict(), "step": 1}
    reasoning = "$".join(("descriptive", "world", asked.semantic, asked.structural, asked.reference))
    return kinds | {
        "program": "",
        "interval": interval,
        "video_id": video,
        "question_id": number,
        "reasoning_type": reasoning,
    }
