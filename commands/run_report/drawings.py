"""What a model answered, as strips of film: questions with their options, and the clips nearest to a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egocurate.commands.report.questions import KINDS
from egocurate.commands.report.strips import OPTION_NAMES, Strip, clip_strip
from egocurate.commands.report.tags import plain
from egocurate.commands.run_report.answers import Confusion, confusion, what_was_wrong
from egocurate.commands.run_report.quiz import Quiz
from egocurate.curation.text.taxonomy import Lexicon, load_lexicon
from egocurate.errors import InputError
from egocurate.shards.read.sample import Sample

TEXTS, NEAREST = 4, 4


@dataclass(frozen=True)
class Option:
    """An option of a question: its clip, and how probable the model holds it, 0 to 1."""

    strip: Strip
    probability: float
    chosen: bool


@dataclass(frozen=True)
class Asked:
    """A question with its options, the most probable first: those to see at once, then the others."""

    text: str
    kind: str
    options: list[Option]
    others: list[Option]
    right: bool


@dataclass(frozen=True)
class Near:
    """A clip near a text: the cosine, and whether it is the clip that the text narrates, or has its words."""

    strip: Strip
    cosine: float
    same: str


@dataclass(frozen=True)
class Neighbors:
    """A text and its nearest clips of so many."""

    text: str
    clips: list[Near]
    rank: int
    """of the clip that it narrates, from 1"""
    of: int


def draw_asked(quiz: Quiz, places: np.ndarray) -> list[Asked]:
    """Draw questions at int64 places; one with a clip that cannot be read is left out."""
    questions = quiz.questions
    drawn = []
    for place in places.tolist():
        right, chosen = int(quiz.answers.right[place]), int(quiz.answers.chosen[place])
        options = []
        for option in np.argsort(-quiz.answers.probability[place], kind="stable").tolist():
            sample = questions.index.row(int(questions.clips[questions.choices[place, option]]))
            strip = clip_strip(questions.index, sample, mark=OPTION_NAMES[option], answer=option == right, play=False)
            if strip is not None:
                options.append(Option(strip, float(quiz.answers.probability[place, option]), option == chosen))
        if len(options) == len(OPTION_NAMES):
            kind = KINDS[int(questions.types[place])]
            # Down to the right one, and one more than the chosen one: the rest tells nothing new.
            seen = 1 + max(1, next(at for at, option in enumerate(options) if option.strip.answer))
            text = questions.texts[place]
            drawn.append(Asked(text, f"{kind}-video", options[:seen], options[seen:], right == chosen))
    return drawn


def draw_neighbors(quiz: Quiz) -> list[Neighbors]:
    """Draw the nearest clips of TEXTS texts from all over the questions."""
    questions, texts = quiz.questions, quiz.questions.texts
    drawn: list[Neighbors] = []
    for place in np.unique(np.linspace(0, len(texts) - 1, 4 * TEXTS).astype(np.int64)).tolist():
        if texts[place] in {one.text for one in drawn}:
            continue
        own = int(questions.choices[place, quiz.answers.right[place]])
        narrated = questions.index.row(int(questions.clips[own]))
        order = np.argsort(-quiz.similarity[place], kind="stable")
        clips = []
        for clip in order[:NEAREST].tolist():
            sample = questions.index.row(int(questions.clips[clip]))
            strip = clip_strip(questions.index, sample, play=False)
            if strip is not None:
                same = "its own clip" if clip == own else _shared(sample, narrated)
                clips.append(Near(strip, float(quiz.similarity[place, clip]), same))
        drawn.append(Neighbors(texts[place], clips, 1 + int(np.flatnonzero(order == own)[0]), len(order)))
        if len(drawn) == TEXTS:
            break
    return drawn


@dataclass(frozen=True)
class Mistakes:
    """What wrong answers share with right ones, and which verbs are taken for which."""

    parts: list[tuple[str, int]]
    verbs: Confusion | None


def find_mistakes(quiz: Quiz, lexicon: Lexicon | None) -> Mistakes:
    """Compare the tags of the chosen clips with those of the right ones."""
    questions, answers = quiz.questions, quiz.answers
    row = np.arange(len(questions))
    chosen, right = (
        [questions.index.row(int(questions.clips[clip])) for clip in questions.choices[row, places].tolist()]
        for places in (answers.chosen, answers.right)
    )
    parts = what_was_wrong(
        answers,
        _same([one.tag_verb for one in chosen], [one.tag_verb for one in right]),
        _same([one.tag_noun for one in chosen], [one.tag_noun for one in right]),
    )
    return Mistakes(parts, confusion(_verbs(right, lexicon), _verbs(chosen, lexicon)))


def lexicon_beside(questions: str, num_verbs: int) -> Lexicon | None:
    """Return the dictionaries in the folder of egomcq.json, None if there are none, or of another number of verbs."""
    try:
        lexicon = load_lexicon(Path(questions).parent / "lexicon")
    except (OSError, InputError):
        return None
    return lexicon if len(lexicon.verbs.labels) == num_verbs else None


def _shared(one: Sample, other: Sample) -> str:
    """Say what two clips share, "" for neither the words nor both tags."""
    if one.text == other.text:
        return "the same words"
    tags = ((one.tag_verb, other.tag_verb), (one.tag_noun, other.tag_noun))
    both = all(len(some) and set(some.tolist()) == set(others.tolist()) for some, others in tags)
    return "the same verb and noun" if both else ""


def _same(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([set(one.tolist()) == set(other.tolist()) for one, other in zip(some, others, strict=True)], bool)


def _verbs(samples: Sequence[Sample], lexicon: Lexicon | None) -> list[str]:
    """Return the first verb of each clip, in words where there are dictionaries; "" for a clip without one."""
    first = [int(sample.tag_verb[0]) if len(sample.tag_verb) else None for sample in samples]
    if lexicon is None:
        return ["" if verb is None else f"verb {verb}" for verb in first]
    return ["" if verb is None else plain(lexicon.verbs.labels[verb]) for verb in first]
