"""Clips to look at: some of the shards, each with a negative, and questions with their five options."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from egocurate.commands.report.film_strip import strip_jpeg
from egocurate.commands.report.player import frames_to_show, play_url
from egocurate.questions import Question
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import BadSample, read_frames
from egocurate.shards.read.sample import Sample
from egocurate.storage.paths import AnyPath

CLIPS, QUESTIONS = 8, 2  # clips drawn; questions of each type
TRIES = 5  # candidates looked at for each one drawn, as some clips may not be there or not decode
OPTION_NAMES = "ABCDE"


@dataclass(frozen=True)
class Strip:
    """A clip as a strip of film and as a video (data: URLs; "" for no video), with what is said of it."""

    image: str
    video: str
    key: str
    video_uid: str
    text: str
    start: float
    end: float
    narrated: float
    tags: Sequence[str] = ()
    mark: str = ""
    answer: bool = False
    captions: Sequence[str] = ()


@dataclass(frozen=True)
class Pair:
    """A clip and its nearest negative, or None; `apart` says how far that is."""

    clip: Strip
    negative: Strip | None
    apart: str


@dataclass(frozen=True)
class QuestionDrawing:
    """A question as it is asked: the text, its kind, five strips of which one is the answer."""

    text: str
    kind: str
    options: list[Strip]


def open_shards(folder: AnyPath) -> ShardIndex | None:
    """Open a shard folder, or return None where nothing has been cut yet."""
    return ShardIndex.open(folder) if (folder / "manifest.json").exists() else None


def clip_pairs(index: ShardIndex, verbs: list[str], nouns: list[str], rng: np.random.Generator) -> list[Pair]:
    """Return clips drawn from all over a shard folder, each with its nearest negative; those that decode."""
    pairs: list[Pair] = []
    drawn = [index.row(int(number)) for number in rng.permutation(len(index))[: CLIPS * TRIES]]
    for sample in _other_videos_first(drawn):
        other = index.row(int(sample.negatives[0])) if len(sample.negatives) else None
        clip = clip_strip(index, sample, verbs, nouns)
        negative = clip_strip(index, other, verbs, nouns) if other else None
        if clip is None or (other and negative is None):
            continue
        apart = other.narration_time - sample.narration_time if other else 0.0
        pairs.append(Pair(clip, negative, f"{abs(apart):.1f} s {'later' if apart > 0 else 'earlier'}"))
        if len(pairs) == CLIPS:
            break
    return pairs


def draw_questions(
    questions: dict[str, Question], kinds: dict[int, str], index: ShardIndex, rng: np.random.Generator
) -> list[QuestionDrawing]:
    """Return some questions of each of `kinds` (number in "types" -> name) whose five clips are there and decode."""
    drawings = []
    for number, kind in kinds.items():
        asked = [question for question in questions.values() if question.type == number]
        made = 0
        for at in rng.permutation(len(asked))[: QUESTIONS * TRIES]:
            options = _options(asked[at], index)
            if options:
                drawings.append(QuestionDrawing(asked[at].text, kind, options))
                made += 1
            if made == QUESTIONS:
                break
    return drawings


def _options(question: Question, index: ShardIndex) -> list[Strip] | None:
    options = []
    for place, option in enumerate(question.options):
        number, mark = index.get(option.key), OPTION_NAMES[place]
        strip = (
            None if number is None else clip_strip(index, index.row(number), mark=mark, answer=place == question.answer)
        )
        if strip is None:
            return None
        options.append(strip)
    return options


def _other_videos_first(samples: list[Sample]) -> list[Sample]:
    """Put one clip of each video before a second one of any."""
    seen: Counter[str] = Counter()
    turns = []
    for sample in samples:
        turns.append(seen[sample.video_uid])
        seen[sample.video_uid] += 1
    return [samples[i] for i in sorted(range(len(samples)), key=turns.__getitem__)]


def clip_strip(
    index: ShardIndex,
    sample: Sample,
    verbs: list[str] | None = None,
    nouns: list[str] | None = None,
    mark: str = "",
    answer: bool = False,
    play: bool = True,
) -> Strip | None:
    """Return a clip as the page shows it, without a video unless it is to `play`; None if it does not decode."""
    frames = read_frames(index, sample.sample, frames_to_show(sample.frame_count))
    if isinstance(frames, BadSample):
        return None
    tags = ((verbs, sample.tag_verb), (nouns, sample.tag_noun))
    return Strip(
        image="data:image/jpeg;base64," + base64.b64encode(strip_jpeg(frames)).decode(),
        video=play_url(index, sample, frames) if play else "",
        key=sample.key,
        video_uid=sample.video_uid,
        text=sample.clip_text,
        start=sample.clip_start,
        end=sample.clip_end,
        narrated=sample.narration_time,
        tags=[labels[i] for labels, classes in tags if labels for i in classes],
        mark=mark,
        answer=answer,
        captions=_further_captions(index, sample.sample),
    )


def _further_captions(index: ShardIndex, sample: int) -> list[str]:
    """Return the captions of a clip after its first, each with who wrote it."""
    if index.captions is None:
        return []
    return [f"{one.clip_text} ({one.kind})" for one in index.captions.of(sample)[1:]]
