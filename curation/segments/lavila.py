"""LaViLa's pickles of clips: (video, start, end, text) or, of its narrator and its rephraser, (..., [texts])."""

from __future__ import annotations

import numpy as np
import pandas as pd

from egocurate.curation.segments.segments import Segments, segments
from egocurate.curation.sources.cells import number, storable
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath
from egocurate.storage.plain_pickle import read_plain_pickle

PICKLES = (".pkl", ".pickle")


def read_lavila(path: AnyPath, kind: str = "narrator") -> Segments:
    """Return the clips of a pickle, their texts as captions of a kind; raises InputError, naming the first wrong row.

    Entries without a text, or without a start before an end, are left out and counted.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; give one of LaViLa's pickles, as ego4d_train.rephraser.no_punkt_top3.pkl"
        )
    rows = read_plain_pickle(path)
    if not isinstance(rows, list | tuple) or not rows:
        raise InputError(f"{path}: holds no list of (video, start, end, texts)")
    columns: dict[str, list] = {name: [] for name in ("video", "start_sec", "end_sec", "text", "captions")}
    places, skipped = [], 0
    for place, row in enumerate(rows, 1):
        video, start, end, texts = _clip(path, place, row)
        if not texts or not 0 <= start < end:
            skipped += 1
            continue
        for name, value in zip(columns, (video, start, end, texts[0], texts[1:]), strict=True):
            columns[name].append(value)
        places.append(f"entry {place}")
    table = pd.DataFrame(columns | {"kind": [kind] * len(places)}, places)
    return segments(path, table, skipped=skipped)


def _clip(path: AnyPath, place: int, row: object) -> tuple[str, float, float, list[str]]:
    """Return an entry as (video, start, end, texts); raises InputError for others."""
    if isinstance(row, list | tuple) and len(row) >= 4 and isinstance(row[0], str) and row[0]:
        texts = [row[3]] if isinstance(row[3], str) else row[3]
        times = np.array([number(one) for one in row[1:3]])
        if (
            isinstance(texts, list | tuple)
            and all(isinstance(text, str) for text in texts)
            and np.isfinite(times).all()
        ):
            return row[0], times[0], times[1], [text for text in (storable(one).strip() for one in texts) if text]
    raise InputError(f"{path}: entry {place} is {row!r:.80}, not (video, start, end, text or texts)")
