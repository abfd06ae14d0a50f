"""Read a clip table from any of its forms: egoclip.parquet, an output folder, or the published egoclip.csv."""

from __future__ import annotations

import ast
import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from shards.plan import clip_key

from curation.lexicon import load_lexicon
from curation.narrations import normalise
from curation.negatives import ClipArrays, nearby_negatives, neighbourhoods
from shards.errors import InputError

CSV_COLUMNS = (
    "clip_idx",
    "video_uid",
    "video_dur",
    "narration_source",
    "narration_ind",
    "narration_time",
    "clip_start",
    "clip_end",
    "clip_text",
    "tag_verb",
    "tag_noun",
)
EGO4D_CLASSES = (118, 582)  # verbs, nouns of Ego4D's taxonomy, which the published egoclip.csv counts in


def find_clips(path: Path) -> Path:
    """Return the table a user means by a file, or by a folder that holds egoclip.parquet."""
    table = path / "egoclip.parquet" if path.is_dir() else path
    if not table.exists():
        raise InputError(
            f"{table}: no such clip table; make one with `curate egoclip`, or name egoclip.csv or a parquet file"
        )
    return table


def read_clips(path: Path) -> pa.Table:
    """Return a clip table with every column of docs/formats.md; what egoclip.csv lacks is worked out."""
    if path.suffix == ".parquet":
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{path}: not a readable parquet file ({error}); write it again") from None
        _require(path, table.column_names, {*CSV_COLUMNS, "key", "text", "neighbourhood", "negatives"})
        return table
    return _complete(_read_csv(path))


def class_counts(path: Path) -> tuple[int, int]:
    """Return (verbs, nouns) a table's tags count in: its folder's lexicon, or Ego4D's taxonomy."""
    folder = path.parent / "lexicon"
    if not folder.exists():
        return EGO4D_CLASSES
    lexicon = load_lexicon(folder)
    return len(lexicon.verbs.labels), len(lexicon.nouns.labels)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, sep="\t", dtype={"video_uid": str, "clip_text": str}, keep_default_na=False)
    except (pd.errors.ParserError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: not a tab-separated table ({error}); give EgoClip's egoclip.csv as published"
        ) from None
    _require(path, frame.columns, set(CSV_COLUMNS))
    for name in ("tag_verb", "tag_noun"):
        try:
            frame[name] = [sorted(set(ast.literal_eval(text))) for text in frame[name]]
        except (ValueError, SyntaxError, TypeError):
            raise InputError(f"{path}: column {name} has a value that is no list of numbers like [93]") from None
    return frame


def _complete(frame: pd.DataFrame) -> pa.Table:
    video = pd.factorize(frame["video_uid"])[0].astype(np.int64)
    texts = [normalise(text) for text in frame["clip_text"]]
    time_sec = frame["narration_time"].to_numpy(np.float64)
    slot = neighbourhoods(video, time_sec)
    clips = ClipArrays(
        video=video,
        source=pd.factorize(frame["narration_source"])[0].astype(np.int64),
        time=time_sec,
        start=frame["clip_start"].to_numpy(np.float64),
        end=frame["clip_end"].to_numpy(np.float64),
        text=pd.factorize(pd.Series(texts))[0].astype(np.int64),
        verbs=_ragged(frame["tag_verb"]),
        nouns=_ragged(frame["tag_noun"]),
    )
    values, offsets = nearby_negatives(clips, k=8, max_sec=60.0)
    keys = [
        clip_key(*row)
        for row in zip(frame["video_uid"], frame["narration_source"], frame["narration_ind"], strict=True)
    ]
    columns = {name: pa.array(frame[name].tolist()) for name in CSV_COLUMNS}
    for name in ("tag_verb", "tag_noun"):
        columns[name] = pa.array(frame[name].tolist(), pa.list_(pa.int32()))
    columns |= {
        "key": pa.array(keys),
        "text": pa.array(texts),
        "window_start": columns["clip_start"],
        "window_end": columns["clip_end"],
        "neighbourhood": pa.array(slot),
        "negatives": pa.LargeListArray.from_arrays(offsets, pa.array(frame["clip_idx"].to_numpy()[values])).cast(
            pa.list_(pa.int64())
        ),
    }
    return pa.table(columns)


def _ragged(lists: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in lists])]).astype(np.int64)
    values = np.fromiter((value for one in lists for value in one), np.int64, count=int(offsets[-1]))
    return values, offsets


def _require(path: Path, present: object, needed: set[str]) -> None:
    missing = sorted(needed - set(present))
    if missing:
        raise InputError(
            f"{path}: columns {', '.join(missing)} are missing; docs/formats.md lists what a clip table has"
        )
