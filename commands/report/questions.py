"""Facts of an egomcq.json: how many questions of each type, and whether the answers are balanced."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egocurate.commands.report.charts import Bar, bars
from egocurate.commands.report.strips import OPTION_NAMES
from egocurate.curation.egomcq.draw import INTER, INTRA, OPTIONS
from egocurate.errors import InputError

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


def read_questions(path: Path) -> dict[str, dict[str, Any]]:
    """Read an egomcq.json; raises InputError if it is none."""
    try:
        questions = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a json file ({error}); run `curate egomcq` again") from error
    needed = {"answer", "choices", "query", "types"}
    if not isinstance(questions, dict) or not all(needed <= set(question) for question in questions.values()):
        raise InputError(f"{path}: its entries lack {', '.join(sorted(needed))}; run `curate egomcq` again")
    return questions


def balance(questions: dict[str, dict[str, Any]]) -> list[Kind]:
    """Return the questions of each type that occurs, with the answers of each slot."""
    counts = Counter((question["types"], int(question["answer"])) for question in questions.values())
    kinds = []
    for number, name in KINDS.items():
        slots = [counts[number, slot] for slot in range(OPTIONS)]
        if sum(slots):
            even = f"{min(slots):,} each" if min(slots) == max(slots) else f"{min(slots):,} to {max(slots):,}"
            marked = bars(zip(OPTION_NAMES, slots, strict=True))
            kinds.append(Kind(name, ASKED[number], sum(slots), marked, even))
    return kinds


def reuse(questions: dict[str, dict[str, Any]]) -> str:
    """Say how many clips and videos the options come from."""
    clips: Counter[tuple[str, str, int]] = Counter()
    for question in questions.values():
        for choice in question["choices"].values():
            clips[choice["video_uid"], choice["narration_source"], choice["narration_ind"]] += 1
    options, videos = sum(clips.values()), len({video for video, _, _ in clips})
    return (
        f"{options:,} options are {len(clips):,} clips of {videos:,} videos: "
        f"a clip is shown {options / max(len(clips), 1):.1f} times, {max(clips.values(), default=0):,} at most"
    )
