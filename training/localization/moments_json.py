"""Ego4D's moment queries: moments_*.json read, predictions in the form of its challenge written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from egocurate.models.metrics.moments import Moments
from egocurate.storage.atomic import write_json
from egocurate.training.localization.ego4d_json import ClipEntry, clips_of, listed, seconds, whole_text


@dataclass(frozen=True)
class LabeledClip:
    """A clip and its moments: labels, and [M, 2] seconds of the clip."""

    clip: ClipEntry
    labels: tuple[str, ...]
    spans: np.ndarray


class LabeledClips(NamedTuple):
    """The clips of a file, its version, and what of it is left out, by reason."""

    clips: list[LabeledClip]
    version: str
    left_out: Counter[str]


def read_moments(path: Path) -> LabeledClips:
    """Read moments_{train,val,test_unannotated}.json: the primary labels, as the released evaluation does.

    Moments that end before they begin are left out, and counted. A clip without moments stays: nothing happens there,
    or nobody tells. Raises InputError for a file of another form.
    """
    version, entries = clips_of(path, "annotations", "moments_*.json")
    clips, left_out = [], Counter()
    for clip, given in entries:
        names, spans = [], []
        for label in (one for annotation in given for one in listed(path, annotation, "labels", "moments_*.json")):
            span = (seconds(label.get("start_time")), seconds(label.get("end_time")))
            if label.get("primary") is not True:
                left_out["are not primary"] += 1
            elif not span[1] > span[0]:
                left_out["end before they begin"] += 1
            else:
                names.append(whole_text(path, label, "label"))
                spans.append(span)
        clips.append(LabeledClip(clip, tuple(names), np.array(spans, np.float64).reshape(-1, 2)))
    return LabeledClips(clips, version, left_out)


def write_predictions(path: Path, clips: Sequence[LabeledClip], found: Moments, names: Sequence[str]) -> None:
    """Write moments, `video` of which is the place of a clip and `label` that of a name, as the challenge takes them.

    The same list serves detection and retrieval: the best come first.
    """
    results: dict[str, list[dict[str, object]]] = {clip.clip.uid: [] for clip in clips}
    for place in np.argsort(-found.score, kind="stable"):
        results[clips[found.video[place]].clip.uid].append(
            {
                "label": names[found.label[place]],
                "segment": found.span[place].tolist(),
                "score": float(found.score[place]),
            }
        )
    submission = {"version": "1.0", "challenge": "ego4d_moment_queries"}
    write_json(path, submission | {"detect_results": results, "retrieve_results": results})


def true_moments(clips: Sequence[LabeledClip], names: Sequence[str]) -> Moments:
    """Return the moments of clips, `video` and `label` as in `write_predictions`; labels beyond `names` come after."""
    numbers = {name: place for place, name in enumerate(names)}
    for clip in clips:
        for label in clip.labels:
            numbers.setdefault(label, len(numbers))
    video = np.repeat(np.arange(len(clips)), [len(clip.labels) for clip in clips])
    label = np.array([numbers[name] for clip in clips for name in clip.labels], np.int64)
    spans = np.concatenate([np.zeros((0, 2)), *(clip.spans for clip in clips)])
    return Moments(video, label, spans, np.ones(len(label)))
