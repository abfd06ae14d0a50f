"""The window strategies against the gold segments of EPIC-KITCHENS: `python -m benchmarks.windows`.

The annotations (CC BY-NC) are no part of the repository: they are read from the folder given, else from shared/data
beside the repository. `adaptive` was fitted on one of the files; its figure there is cross-validated.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.epic_segments import DATA, Segments, epic_55, epic_100
from benchmarks.fit_verb_durations import FITTED_ON, FOLDS, Rows, cross_validated, rows_of
from benchmarks.record import figure, write_record
from egocurate.curation.clips.compare_windows import compare_windows

_UNSEEN = ("EPIC_100_uda_source_val.csv.gz", "EPIC_100_uda_target_val.csv.gz")
_TARGET = ">= 0.345"


def measure(data: Path) -> list[dict[str, object]]:
    """Score every strategy on every file of `data`, adaptive also in cross-validation on the file it was fitted on."""
    fitted_on = epic_100(data / "epic-kitchens-100" / FITTED_ON)
    rows, participant = rows_with_participant(fitted_on)
    figures = []
    for by, groups in (("videos", rows.video), ("participants", participant)):
        what = f"adaptive, {FITTED_ON} (fitted on it, {FOLDS}-fold cross-validation by {by})"
        figures.append(figure(what, cross_validated(rows, groups).mean(), "IoU", _TARGET))
    seen = set(fitted_on.table["video_id"])
    files = {f"{FITTED_ON} (adaptive was fitted on it)": fitted_on}
    files |= {name: epic_100(data / "epic-kitchens-100" / name) for name in _UNSEEN}
    whole = epic_55(data / "epic-kitchens-55")
    files["EPIC-KITCHENS-55 train, all (holds most of the fitted videos)"] = whole
    files["EPIC-KITCHENS-55 train, the videos not fitted on"] = whole.without(seen)
    for name, segments in files.items():
        for row in compare(segments).itertuples():
            figures.append(figure(f"{row.strategy}, {name}", row.iou, "IoU"))
            if row.strategy == "adaptive":
                figures.append(figure(f"adaptive, {name}: share of clips that meet their segment", row.hit, "share"))
                figures.append(figure(f"adaptive, {name}: mean length", row.seconds, "s"))
                figures.append(figure(f"adaptive, {name}: covered by the next clip", row.covered_by_next, "share"))
    return figures


def rows_with_participant(segments: Segments) -> tuple[Rows, np.ndarray]:
    """Return the rows of the fit and the participant ("P01") of each, who begins the name of the video."""
    rows = rows_of(segments)
    names = np.array(sorted(segments.table["video_id"].unique()))
    return rows, np.array([name.split("_")[0] for name in names])[rows.video]


def compare(segments: Segments) -> pd.DataFrame:
    """Return `curate windows --gold` of the segments."""
    with tempfile.TemporaryDirectory() as folder:
        gold = Path(folder) / "gold.csv"
        segments.gold().to_csv(gold, index=False)
        return compare_windows(segments, gold)


def main() -> None:
    """Write benchmarks/results/windows.json, or say in one line that the annotations are not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DATA, help="holds epic-kitchens-100/, epic-kitchens-55/")
    data = parser.parse_args().data
    if not data.is_dir():
        raise SystemExit(f"{data}: no such folder; name the one that holds epic-kitchens-100/ and epic-kitchens-55/")
    write_record("windows", measure(data))


if __name__ == "__main__":
    main()
