"""Facts of an egomcq.json: how many questions of each type, and whether the answers are balanced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from egocurate.commands.report.strips import OPTION_NAMES
from egocurate.questions import INTER, INTRA, OPTIONS, Option, Question

KINDS = {INTER: "inter", INTRA: "intra"}
MEANINGS = {INTER: "between videos: the five clips are of five videos", INTRA: "inside one video: all five are of it"}


@dataclass(frozen=True)
class Kind:
    """One type: how many questions there are, and how often each of OPTION_NAMES is the answer."""

    name: str
    count: int
    slots: list[tuple[str, int]]
    evenness: str


def balance(questions: Mapping[str, Question]) -> list[Kind]:
    """Return the questions of each type that occurs, with the answers of each slot."""
    counts = Counter((question.type, question.answer) for question in questions.values())
    kinds = []
    for number, name in KINDS.items():
        slots = [counts[number, slot] for slot in range(OPTIONS)]
        if sum(slots):
            even = f"{min(slots):,}" if min(slots) == max(slots) else f"{min(slots):,} to {max(slots):,}"
            kinds.append(Kind(name, sum(slots), list(zip(OPTION_NAMES, slots, strict=True)), even))
    return kinds


def in_words(counts: Mapping[str, int]) -> str:
    """Say how many questions of each type a run made, what the types are, and where fewer were made than asked for."""
    sentences = []
    for number, name in KINDS.items():
        made, asked = counts.get(name, 0), counts.get(f"{name}_asked", 0)
        sentence = f"{made:,} {MEANINGS[number]} ({name})"
        if asked > made:
            sentence += f"; {asked:,} were asked for, and these videos give no more"
        sentences.append(sentence + ".")
    return " ".join(sentences)


def reuse(questions: Mapping[str, Question]) -> str:
    """Say how many clips and videos the options come from."""
    clips: Counter[Option] = Counter(option for question in questions.values() for option in question.options)
    options, videos = clips.total(), len({option.video_uid for option in clips})
    return (
        f"{options:,} options are {len(clips):,} clips of {videos:,} videos: "
        f"a clip is shown {options / max(len(clips), 1):.1f} times, {max(clips.values(), default=0):,} at most."
    )
