"""Hard negatives at EgoClip's size, looked up and scanned for: `python -m benchmarks.negatives`.

EgoVLP's loader compares the segment of an anchor with those of all rows of the table, for every item.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.record import figure, write_record
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.shard_format import FORMAT, INDEX_FILE, INDEX_SCHEMA, MANIFEST_FILE, shard_file

EGOCLIP_ROWS = 3_847_723
_K, _PER_VIDEO, _PER_SHARD, _PER_SEGMENT = 8, 400, 256, 21
_PIECE = 1 << 20
_LOOKUPS, _SCANS = 200_000, 5
_SECOND = """
import sys, time
from egocurate.shards.read.index import ShardIndex
own = lambda: next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon")) * 1024
before, began = own(), time.perf_counter()
index = ShardIndex.open(sys.argv[1])
seconds = time.perf_counter() - began
for sample in range(0, len(index), 7):
    index.negatives(sample)
print(seconds, own() - before)
"""


def measure(scratch: Path, rows: int = EGOCLIP_ROWS) -> list[dict[str, object]]:
    """Write an index of invented samples in `scratch`, look negatives up in it, and return the figures."""
    write_index(scratch, rows)
    opened = time.perf_counter()
    index = ShardIndex.open(scratch)
    open_sec = time.perf_counter() - opened
    asked = np.random.default_rng(1).integers(0, rows, _LOOKUPS).tolist()
    lookup = _seconds_each(index.negatives, asked)
    whole_row = _seconds_each(index.row, asked[: _LOOKUPS // 10])
    names = [f"{sample // _PER_VIDEO:036d}_{sample // _PER_SEGMENT}" for sample in range(rows)]
    # EgoVLP's pandas keeps strings as objects; later ones have a type of their own for them.
    objects, strings = pd.Series(names, dtype=object), pd.Series(names, dtype="str")
    scans = [_seconds_each(lambda at, of=of: np.flatnonzero(of == of[at]), asked[:_SCANS]) for of in (objects, strings)]
    return [
        figure("samples", rows, "rows"),
        figure("negatives of a sample, ShardIndex.negatives", lookup * 1e6, "us", "<= 10"),
        figure("rows of its segment by a scan as EgoVLP does, strings as objects", scans[0] * 1e6, "us"),
        figure("rows of its segment by a scan, strings as pandas 3 has them", scans[1] * 1e6, "us"),
        figure("all that is known of a sample, ShardIndex.row", whole_row * 1e6, "us"),
        figure("opening the index, the first time on a machine", open_sec, "s"),
        *_second_process(scratch),
    ]


def _second_process(folder: Path) -> list[dict[str, object]]:
    """Open the index in a process of its own, look into all of it, and see what that process holds for itself."""
    done = subprocess.run([sys.executable, "-c", _SECOND, str(folder)], check=True, capture_output=True, text=True)
    open_sec, own_bytes = map(float, done.stdout.split())
    return [
        figure("opening the index in any process after that", open_sec, "s"),
        figure("memory of such a process for the index, not shared", own_bytes / 1e6, "MB"),
    ]


def write_index(folder: Path, rows: int) -> None:
    """Write manifest.json and index.parquet of so many samples, a piece at a time, without shards."""
    with pq.ParquetWriter(folder / INDEX_FILE, INDEX_SCHEMA) as writer:
        for first in range(0, rows, _PIECE):
            writer.write_table(_piece(np.arange(first, min(rows, first + _PIECE)), rows), row_group_size=65_536)
    full, rest = divmod(rows, _PER_SHARD)
    shards = [
        {"file": shard_file("bench", number), "sha256": "0" * 64, "bytes": 0, "samples": count}
        for number, count in enumerate([_PER_SHARD] * full + [rest] * (rest > 0))
    ]
    counts = {"num_verbs": 118, "num_nouns": 582, "samples": rows, "failed": 0, "bytes": 0}
    digests = {"plan": "0" * 64, "planned": {"clips per shard": "64"}, "lexicon": ""}
    manifest = {"format": FORMAT, "name": "bench", "profile": {"name": "train"}, **counts, **digests, "shards": shards}
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))


def _piece(sample: np.ndarray, rows: int) -> pa.Table:
    near = np.clip(sample[:, None] + np.array([1, -1, 2, -2, 3, -3, 4, -4]), 0, rows - 1)
    text = pa.array([f"opens the door number {number}" for number in range(1000)]).take(pa.array(sample % 1000))
    uid = _digits(sample // _PER_VIDEO, 36)
    columns = {
        "key": pc.binary_join_element_wise(uid, _digits(sample, 7), "-narration_pass_1-"),
        "video_uid": uid,
        "narration_source": pa.array(["narration_pass_1"]).take(pa.array(np.zeros(len(sample), np.int64))),
        "clip_text": text,
        "text": text,
        "negatives": _lists(near),
        "tag_verb": _lists(sample[:, None] % 118),
        "tag_noun": _lists((sample[:, None] + np.arange(2)) % 582),
        "shard": sample // _PER_SHARD,
        "neighbourhood": sample // _PER_SEGMENT,
        **{name: _lists(np.zeros((len(sample), 2), np.int64)) for name in ("offsets", "sizes", "crc32")},
        "frame_count": np.full(len(sample), 8),
        "fps": np.full(len(sample), 8.0),
    }
    return pa.table(
        {field.name: pa.array(columns.get(field.name, sample)).cast(field.type) for field in INDEX_SCHEMA},
        schema=INDEX_SCHEMA,
    )


def _digits(numbers: np.ndarray, width: int) -> pa.StringArray:
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")


def _lists(values: np.ndarray) -> pa.ListArray:
    """Return the rows of an array as lists of integers."""
    return pa.ListArray.from_arrays(
        pa.array(np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]), values.ravel()
    )


def _seconds_each(look: Callable[[int], object], samples: list[int]) -> float:
    began = time.perf_counter()
    for sample in samples:
        look(sample)
    return (time.perf_counter() - began) / len(samples)


def main() -> None:
    """Measure in a temporary folder and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=EGOCLIP_ROWS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = scratch  # where the index is mapped from
        write_record("negatives", measure(Path(scratch), given.rows))


if __name__ == "__main__":
    main()
