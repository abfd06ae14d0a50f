"""Facts of an egomcq.json: how many questions of each type, and whether the answers are balanced."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from egocurate.commands.report.charts import Bar, bars
from egocurate.commands.report.strips import OPTION_NAMES
from egocurate.questions import INTER, INTRA, OPTIONS, Option, Question

ASKED = {INTER: "inter_asked", INTRA: "intra_asked"}
KINDS = {INTER: "between videos (inter)", INTRA: "inside a video (intra)"}


@dataclass(frozen=True)
class Kind:
    """One type: questions made, and how often each slot holds the answer; `asked_as` names its count in the record."""

    name: str
    asked_as: str
    count: int
    slots: list[Bar]
    evenness: str


def balance(questions: dict[str, Question]) -> list[Kind]:
    """Return the questions of each type that occurs, with the answers of each slot."""
    counts = Counter((question.type, question.answer) for question in questions.values())
    kinds = []
    for number, name in KINDS.items():
        slots = [counts[number, slot] for slot in range(OPTIONS)]
        if sum(slots):
            even = f"{min(slots):,} each" if min(slots) == max(slots) else f"{min(slots):,} to {max(slots):,}"
            marked = bars(zip(OPTION_NAMES, slots, strict=True))
            kinds.append(Kind(name, ASKED[number], sum(slots), marked, even))
    return kinds


def reuse(questions: dict[str, Question]) -> str:
    """Say how many clips and videos the options come from."""
    clips: Counter[Option] = Counter(option for question in questions.values() for option in question.options)
    options, videos = clips.total(), len({option.video_uid for option in clips})
    return (
        f"{options:,} options are {len(clips):,} clips of {videos:,} videos: "
        f"a clip is shown {options / max(len(clips), 1):.1f} times, {max(clips.values(), default=0):,} at most"
    )
