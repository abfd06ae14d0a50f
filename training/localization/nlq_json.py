"""Ego4D's natural language queries: nlq_*.json read, predictions in the form of its challenge written."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from egocurate.storage.atomic import write_json
from egocurate.training.localization.ego4d_json import ClipEntry, clips_of, listed, seconds, whole_text


@dataclass(frozen=True)
class Query:
    """A question about a clip of a video, and the stretch of the clip that answers it, nan where it is not told."""

    clip: ClipEntry
    annotation: str
    place: int
    """of the question in its annotation"""
    text: str
    answer: tuple[float, float]

    @property
    def has_answer(self) -> bool:
        """Whether there is something to learn: a stretch that ends after it begins."""
        return self.answer[1] > self.answer[0]


class Queries(NamedTuple):
    """The questions of a file, its version, and how many it has besides that cannot be asked, by reason."""

    queries: list[Query]
    version: str
    left_out: Counter[str]


def read_queries(path: Path) -> Queries:
    """Read nlq_{train,val,test_unannotated}.json; questions without words are counted and left out, as VSLNet does.

    Raises InputError for a file of another form.
    """
    version, clips = clips_of(path, "annotations", "nlq_*.json")
    queries, left_out = [], Counter()
    for clip, given in clips:
        for annotation in given:
            asked = listed(path, annotation, "language_queries", "nlq_*.json")
            uid = whole_text(path, annotation, "annotation_uid")
            for place, query in enumerate(asked):
                text = query.get("query")
                if not isinstance(text, str) or not text.strip():
                    left_out["have no words"] += 1
                    continue
                answer = (seconds(query.get("clip_start_sec")), seconds(query.get("clip_end_sec")))
                queries.append(Query(clip, uid, place, text.strip(), answer))
    return Queries(queries, version, left_out)


def write_predictions(path: Path, queries: Sequence[Query], windows: Sequence[np.ndarray]) -> None:
    """Write windows [K, 2] of each question, seconds of its clip, best first, as the challenge takes them."""
    results = [
        {
            "clip_uid": query.clip.uid,
            "annotation_uid": query.annotation,
            "query_idx": query.place,
            "predicted_times": np.asarray(window).tolist(),
        }
        for query, window in zip(queries, windows, strict=True)
    ]
    write_json(path, {"version": "1.0", "challenge": "ego4d_nlq_challenge", "results": results})


def true_windows(queries: Sequence[Query]) -> np.ndarray:
    """Return the answers, float64 [Q, 2]."""
    return np.array([query.answer for query in queries], np.float64).reshape(-1, 2)


def all_told(queries: Sequence[Query]) -> bool:
    """Tell whether every question has its answer with it; those of the test file have none."""
    return not any(math.isnan(second) for query in queries for second in query.answer)
