"""The window strategies side by side on one source, against gold segments where there are some."""

from pathlib import Path

import numpy as np
import pandas as pd

from egocurate.clip_table import CLIP_ID
from egocurate.curation.clips.selection import Narrated, narrate, windows
from egocurate.curation.clips.window_rules import WINDOWS
from egocurate.curation.clips.windows import overlap_ratio
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources import Source
from egocurate.curation.sources.cells import decimal
from egocurate.errors import InputError
from egocurate.storage.csv_file import read_csv

COLUMNS = {
    "clips": "narrations that become clips; each strategy cuts the same ones",
    "seconds": "mean length of a clip",
    "covered_by_next": "mean share of a clip that the next clip of its pass shows again, 0 to 1",
    "gold_clips": "clips that have a gold segment",
    "hit": "share of those that overlap with their segment, 0 to 1",
    "iou": "mean intersection over union with the segment, 0 (apart) to 1 (the same)",
}
"""What each column of a comparison says."""

# The figures are those of benchmarks/results/windows.json; a test compares them.
ADVICE = (
    "egoclip, the default, to reproduce EgoVLP: short clips around the narration's point in time.",
    "adaptive to pre-train on data of your own, where it matters that a clip holds the whole action and no other:",
    "  against EPIC-KITCHENS-100's segments its IoU is 0.365 (cross-validated), that of egoclip 0.187.",
    "midpoints to cover a pass with no gap and hardly an overlap (IoU 0.330 there).",
    "The others are the ablations of EgoVLP's Table 2.",
)
"""When to take which strategy, line by line."""

_ID = list(CLIP_ID)
_SEGMENT = ["gold_start", "gold_stop"]


def compare_windows(source: Source, gold: Path | None = None, config: EgoClipConfig | None = None) -> pd.DataFrame:
    """Return one row per strategy: what its clips are like and, with `gold`, how they meet the segments.

    Columns: strategy, clips, seconds (mean length), covered_by_next (mean share of a clip that the next one of its
    pass covers); with gold also gold_clips (clips that have a segment), hit (share that overlaps it), iou (mean).
    `gold` is a csv with video_uid, narration_source, narration_ind, gold_start, gold_stop in seconds. Raises InputError
    if it has other columns or no narration of the source, or if the source has no narrations left.
    """
    narrated = narrate(source.narrations(), source.videos(), config or EgoClipConfig())
    is_clip = narrated.reason == ""
    if not is_clip.any():
        raise InputError(f"none of {len(is_clip):,} narrations is left by the filters; there is nothing to compare")
    segments = _segments(narrated, is_clip, gold) if gold else None
    group = narrated.group[is_clip]
    rows = []
    for name in WINDOWS:
        bounds = windows(narrated, name)[is_clip]
        start, end = bounds["clip_start"].to_numpy(), np.maximum(bounds["clip_end"], bounds["clip_start"]).to_numpy()
        row = {"strategy": name, "clips": len(start), "seconds": float((end - start).mean())}
        row["covered_by_next"] = covered_by_next(start, end, group)
        if segments is not None:
            row |= _meet(start, end, *segments)
        rows.append(row)
    return pd.DataFrame(rows)


def covered_by_next(start: np.ndarray, end: np.ndarray, group: np.ndarray) -> float:
    """Return the mean share of a clip that the next row covers, over clips with a length and a next of their group."""
    follows = (group[1:] == group[:-1]) & (end[:-1] > start[:-1])
    shared = np.minimum(end[:-1], end[1:]) - np.maximum(start[:-1], start[1:])
    share = np.maximum(shared[follows], 0.0) / (end[:-1] - start[:-1])[follows]
    return float(share.mean()) if len(share) else 0.0


def _segments(narrated: Narrated, is_clip: np.ndarray, gold: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return gold (start, end) float64 of each row that becomes a clip, NaN where it has none."""
    if not gold.is_file():
        raise InputError(f"{gold}: no such file; give a csv with {', '.join(_ID + _SEGMENT)}")
    table = _read_gold(gold)
    frame = narrated.frame[is_clip]
    rows = pd.MultiIndex.from_arrays(
        [
            np.array(narrated.videos, dtype=object)[frame["video"]],
            np.array(narrated.sources, dtype=object)[frame["source"]],
            frame["narration_ind"],
        ]
    )
    times = table.set_index(_ID)[_SEGMENT].reindex(rows).to_numpy(np.float64)
    if np.isnan(times).any(axis=1).all():
        raise InputError(f"{gold}: names none of the narrations; its {', '.join(_ID)} must be those of the source")
    return times[:, 0], times[:, 1]


def _read_gold(gold: Path) -> pd.DataFrame:
    """Return the segments of a csv; raises InputError, naming the line, for what is no number and no segment."""
    file = read_csv(gold)
    rows = list(file.select(gold, _ID + _SEGMENT))
    table = pd.DataFrame(rows, columns=_ID + _SEGMENT, index=file.lines, dtype=object)
    numbers = table["narration_ind"].where(table["narration_ind"].str.fullmatch(r"[0-9]{1,9}"))
    times = {name: table[name].map(decimal).astype(np.float64) for name in _SEGMENT}
    unordered = ~(times["gold_start"] < times["gold_stop"])
    again = table.duplicated(_ID)
    for name, bad in (("narration_ind", numbers.isna()), ("gold_stop", unordered), ("narration_ind", again)):
        if bad.any():
            line = bad.index[bad][0]
            segment = " ".join(table.loc[line])
            raise InputError(f"{gold}: line {line}: {segment!r} is no segment of its own; mend its {name}")
    return table.assign(narration_ind=numbers.astype(np.int64), **times)


def _meet(start: np.ndarray, end: np.ndarray, gold_start: np.ndarray, gold_end: np.ndarray) -> dict[str, float]:
    has = np.isfinite(gold_start) & np.isfinite(gold_end)
    ratio = overlap_ratio(start[has], end[has], gold_start[has], gold_end[has])
    return {"gold_clips": int(has.sum()), "hit": float((ratio > 0).mean()), "iou": float(ratio.mean())}
