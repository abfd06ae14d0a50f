"""Fit curation/data/verb_durations.json anew: `python -m benchmarks.fit_verb_durations [CSV]`.

The csv is EPIC_100_uda_source_train.csv.gz of the public EPIC-KITCHENS-100 annotations (CC BY-NC 4.0), beside its
EPIC_100_video_info.csv. What is kept is a mean per verb and six numbers, found by steps of fixed sizes: no seed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.epic_segments import DATA, Segments, epic_100
from egocurate.curation.clips.adaptive_window import Reach, reach
from egocurate.curation.clips.selection import narrate
from egocurate.curation.clips.verb_durations import DATA as DATA_FILE
from egocurate.curation.clips.verb_durations import VerbDurations, verb_of
from egocurate.curation.clips.windows import neighbours, overlap_ratio
from egocurate.curation.config import PUBLISHED_ALPHA, EgoClipConfig
from egocurate.curation.text.wordnet import wordnet

FITTED_ON = "EPIC_100_uda_source_train.csv.gz"
FOLDS = 5
LEAST_NARRATIONS = 5  # a verb told less often gets the mean
SHRINK_NARRATIONS = 10  # as many narrations of mean length are added to each verb's own
_START = Reach(2.0, 2.0, 1.0, 1.0, 3.0, 3.0)
_STEPS = (0.4, 0.2, 0.1, 0.05, 0.02)  # of the logarithm


@dataclass(frozen=True)
class Rows:
    """What the fit sees of the narrations that become clips, [N] each: gaps and gold (relative to the time) in s."""

    video: np.ndarray
    verb: np.ndarray
    before: np.ndarray
    after: np.ndarray
    beta: np.ndarray
    start: np.ndarray
    stop: np.ndarray

    def take(self, mask: np.ndarray) -> Rows:
        """Return the rows of a mask bool[N]."""
        return Rows(**{name: values[mask] for name, values in vars(self).items()})


def rows_of(segments: Segments) -> Rows:
    """Return the rows of the narrations that the default filters keep, with their verbs as WordNet has them."""
    narrated = narrate(segments.narrations(), segments.videos(), EgoClipConfig())
    use = narrated.usable
    time = narrated.frame["narration_time"].to_numpy()
    before, after = np.full(len(use), np.nan), np.full(len(use), np.nan)
    before[use], after[use] = neighbours(time[use], narrated.group[use], narrated.beta[use])
    verbs = set(wordnet().all_lemma_names(pos="v"))
    verb = np.array([verb_of(text, verbs) for text in narrated.texts.to_pylist()], dtype=object)[narrated.frame["text"]]
    keys = list(zip(np.array(narrated.videos)[narrated.frame["video"]], narrated.frame["narration_ind"], strict=True))
    gold = segments.gold().set_index(["video_uid", "narration_ind"])[["gold_start", "gold_stop"]]
    gold = gold.reindex(keys).to_numpy(float) - time[:, None]
    video = narrated.frame["video"].to_numpy()
    rows = Rows(video, verb, time - before, after - time, narrated.beta, gold[:, 0], gold[:, 1])
    return rows.take((narrated.reason == "") & np.isfinite(gold).all(axis=1))


def fit(rows: Rows) -> VerbDurations:
    """Return the verbs' typical seconds (geometric means, shrunk to the mean) and the reach of the best mean IoU."""
    log_sec = np.log(rows.stop - rows.start)
    mean = float(log_sec.mean())
    seconds = {}
    for verb in sorted(set(rows.verb) - {""}):
        own = log_sec[rows.verb == verb]
        if len(own) >= LEAST_NARRATIONS:
            seconds[verb] = round(float(np.exp(mean + (own - mean).sum() / (len(own) + SHRINK_NARRATIONS))), 2)
    found = VerbDurations(round(float(np.exp(mean)), 2), seconds, _START)
    start = np.log(list(asdict(_START).values()))
    best = climb(lambda point: float(overlap(rows, found, Reach(*np.exp(point))).mean()), start)
    return VerbDurations(found.mean_sec, seconds, Reach(*(float(f"{value:.3g}") for value in np.exp(best))))


def overlap(rows: Rows, durations: VerbDurations, by: Reach) -> np.ndarray:
    """Return the IoU of each row's window with its gold segment, float64[N]; not cut to the video."""
    verb = np.array([durations.seconds.get(name, durations.mean_sec) for name in rows.verb]) / durations.mean_sec
    before, after = reach(rows.before, rows.after, rows.beta, verb, by)
    least = rows.beta / (2 * PUBLISHED_ALPHA)
    return overlap_ratio(-np.maximum(before, least), np.maximum(after, least), rows.start, rows.stop)


def climb(value: Callable[[np.ndarray], float], point: np.ndarray) -> np.ndarray:
    """Walk along one coordinate at a time, with ever smaller steps, to a point float64[D] that no step improves."""
    best = value(point)
    for step in _STEPS:
        moved = True
        while moved:
            moved = False
            for move in [*(np.eye(len(point)) * step), *(np.eye(len(point)) * -step)]:
                there = value(point + move)
                if there > best + 1e-7:
                    point, best, moved = point + move, there, True
    return point


def cross_validated(rows: Rows, by: np.ndarray, folds: int = FOLDS) -> np.ndarray:
    """Return the IoU float64[N] of each row under a fit that saw no row of its fold; equal `by` are in one fold."""
    _, code = np.unique(by, return_inverse=True)
    fold = np.random.default_rng(0).permutation(code.max() + 1)[code] % folds
    found = np.zeros(len(by))
    for one in range(folds):
        durations = fit(rows.take(fold != one))
        found[fold == one] = overlap(rows.take(fold == one), durations, durations.reach)
    return found


def main() -> None:
    """Fit on the csv and write the data file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("csv", type=Path, nargs="?", default=DATA / "epic-kitchens-100" / FITTED_ON)
    parser.add_argument("--out", type=Path, default=DATA_FILE)
    args = parser.parse_args()
    rows = rows_of(epic_100(args.csv))
    durations = fit(rows)
    source = (
        f"Numbers fitted on {args.csv.name} of the EPIC-KITCHENS-100 annotations (Damen et al., Rescaling Egocentric "
        f"Vision, IJCV 2022; CC BY-NC 4.0) by benchmarks/fit_verb_durations.py: {len(rows.verb):,} narrations"
    )
    content = {"source": source, "mean_sec": durations.mean_sec, "reach": asdict(durations.reach)}
    args.out.write_text(json.dumps(content | {"seconds": durations.seconds}, indent=1) + "\n")
    own = overlap(rows, durations, durations.reach).mean()
    print(f"{args.out}: {len(durations.seconds)} verbs, IoU {own:.3f} on the rows it was fitted on")


if __name__ == "__main__":
    main()
