"""EgoTaskQA's questions about clips (2210.03929): a row is a question, and its answer is the class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from egocurate.curation.labels.annotations import Annotations, annotations, refuse
from egocurate.curation.sources.cells import storable
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath

ANSWER, REASONING = "answer", "reasoning"
EGOTASKQA_KINDS = (ANSWER, REASONING)

_TEXTS = ("interval", "question", "answer", "reasoning_type")
_NUMBER = "question_id"
_MOST_QUESTIONS = 10**9


def read_egotaskqa(path: AnyPath, questions: list, kinds: Sequence[str] | None) -> Annotations:
    """Return the questions of {train,val,test}_qas.json, or of formatted_*_qas_encode.json, which has more of the same.

    A question is the text of a row, the whole clip `<interval>.mp4` its video, and question_id its number. `answer` is
    in lower case, and one that is not among the given names is not known; `reasoning`, as
    "descriptive$world$action$query$direct", is what the figures are counted by. Raises InputError for other entries.
    """
    places = [f"question {place}" for place in range(len(questions))]
    refuse(path, places, [not isinstance(one, dict) for one in questions], "is no object: is it EgoTaskQA's file?")
    lacking = [any(not isinstance(one.get(name), str) for name in _TEXTS) for one in questions]
    refuse(path, places, lacking, f"lacks one of {', '.join(_TEXTS)}: take the files that the release's split writes")
    numbers = [one.get(_NUMBER) for one in questions]
    is_number = [isinstance(one, int) and not isinstance(one, bool) and 0 <= one < _MOST_QUESTIONS for one in numbers]
    refuse(path, places, [not one for one in is_number], f"has no {_NUMBER}, a number from 0 on")
    first: dict[int, int] = {}
    again = [first.setdefault(number, place) != place for place, number in enumerate(numbers)]
    refuse(path, places, again, f"has the {_NUMBER} of another question; take the file as published")
    labels = {
        ANSWER: [storable(one["answer"].strip().lower()) for one in questions],
        REASONING: [storable(one["reasoning_type"].strip()) for one in questions],
    }
    for kind in kinds or ():
        if kind not in labels:
            raise InputError(f"{path}: has no label {kind!r}; there are {', '.join(labels)}")
    return annotations(
        path,
        places,
        [f"{storable(one['interval'])}.mp4" for one in questions],
        {kind: labels[kind] for kind in kinds or ()},
        text=[storable(one["question"].strip()) for one in questions],
        number=np.array(numbers, np.int64),
        open_kinds=frozenset({ANSWER}),
        described=frozenset({REASONING}),
    )
