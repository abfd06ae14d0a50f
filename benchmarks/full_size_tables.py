"""Tables of clips without the tagger: `python -m benchmarks.full_size_tables --root R [R ...] --out O`.

The tagger's time is the same for each distinct text, and its memory does not depend on their number: what grows with
the rows is all the rest of `curate egoclip --tables-only`. Each root (of benchmarks.full_size_root) is read, and its
tables are written to O, in a process of its own, in which each distinct text has one invented verb and two nouns.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa

from benchmarks.process_tree import run_measured
from benchmarks.record import figure, write_record
from egocurate.clip_table import PUBLISHED_TYPES
from egocurate.curation.clips.egoclip import build_egoclip, write_egoclip
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources.ego4d import Ego4DSource


def _untagged(texts: pa.Array, *_: object) -> pa.Table:
    numbers = np.arange(len(texts))
    tags = {"tag_verb": (numbers % 100, 1), "tag_noun": (np.repeat(numbers % 500, 2) + np.tile([0, 1], len(texts)), 2)}
    columns = {}
    for name, (values, of_each) in tags.items():
        offsets = pa.array(np.arange(len(texts) + 1, dtype=np.int32) * of_each)
        columns[name] = pa.ListArray.from_arrays(offsets, pa.array(values.astype(np.int32))).cast(PUBLISHED_TYPES[name])
    return pa.table(columns)


def _build(root: Path, out: Path) -> dict[str, int]:
    with mock.patch("egocurate.curation.clips.egoclip.tag_distinct", _untagged):
        egoclip = build_egoclip(Ego4DSource(root), EgoClipConfig())
        write_egoclip(egoclip, out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"narrations": egoclip.counts["narrations"], "clips": egoclip.clips, "peak": peak}


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--step", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        print(json.dumps(_build(given.root[0], given.out)))
        return
    figures = []
    for root in given.root:
        command = [sys.executable, "-m", "benchmarks.full_size_tables", "--step", "--root", str(root)]
        usage = run_measured([*command, "--out", str(given.out)])
        shutil.rmtree(given.out)
        made = json.loads(usage.output)
        rows = f"{made['narrations']:,} narrations"
        figures += [
            figure(f"{rows}: clips", made["clips"], "rows"),
            figure(f"{rows}: wall time without the tagger", usage.wall_sec, "s"),
            figure(f"{rows}: CPU time without the tagger", usage.cpu_sec, "s"),
            figure(f"{rows}: peak memory without the tagger's processes", made["peak"] / 1e9, "GB"),
        ]
    write_record("full_size_tables", figures)


if __name__ == "__main__":
    main()
