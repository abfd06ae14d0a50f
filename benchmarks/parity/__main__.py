"""Compare with every tree that is named, each in a process of its own: `python -m benchmarks.parity [NAME ...]`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.parity.rows import Row
from benchmarks.parity.trees import Absent
from benchmarks.record import RESULTS, write_record

COMPARISONS = {
    "metrics": "metrics.metrics",
    "egovlp": "dual_encoders.egovlp",
    "frozen-in-time": "dual_encoders.frozen_in_time",
    "egovlpv2": "egovlpv2.egovlpv2",
    "lavila": "lavila.lavila",
    "lavila-distilbert": "lavila.lavila_distilbert",
    "avion": "avion.avion",
    "egotaskqa": "egotaskqa.egotaskqa",
    "localization": "localization.localization",
    "summaries": "summaries.summaries",
    "videomae": "videomae.videomae",
    "videoprism": "videoprism.videoprism",
}
"""Module and function of each, in this folder."""


def main(names: Sequence[str]) -> None:
    """Run comparisons and keep their rows, beside those that an earlier run has kept of others."""
    if unknown := sorted(set(names) - COMPARISONS.keys()):
        sys.exit(f"no comparison is called {unknown[0]}: there are {', '.join(COMPARISONS)}")
    rows: list[Row] = []
    for name in names or COMPARISONS:
        with TemporaryDirectory() as scratch:
            out = Path(scratch) / "rows.json"
            failed = subprocess.run([sys.executable, "-m", __spec__.name, "--one", name, str(out)]).returncode
            if failed:
                sys.exit(failed)
            rows += [Row(**row) for row in json.loads(out.read_text())]
    if rows:
        _record(rows)
    if bad := [row for row in rows if not row.holds]:
        sys.exit("\n".join(["beyond their bars:", *map(str, bad)]))


def compare(name: str) -> Iterator[Row]:
    """Yield the rows of a comparison; raises Absent if its tree, or a package, is not there."""
    module, _, function = COMPARISONS[name].partition(".")
    run: Callable[[], Iterator[Row]] = getattr(import_module(f"benchmarks.parity.{module}"), function)
    return run()


def _one(name: str, out: Path) -> None:
    torch.set_num_threads(1)
    rows = []
    try:
        for row in compare(name):
            print(row, flush=True)
            rows.append(vars(row))
            out.write_text(json.dumps(rows))
    except Absent as absent:
        print(f"{name} is left out: {absent}", flush=True)
    out.write_text(json.dumps(rows))


def _record(rows: Sequence[Row]) -> None:
    path = RESULTS / "parity.json"
    figures = {}
    if path.is_file():
        figures = {figure["what"]: figure for figure in json.loads(path.read_text())["figures"]}
    for row in rows:
        what = f"{row.what}, {row.frames} frames" if row.frames else row.what
        of = {"what": what, "value": float(f"{row.difference:.1e}"), "unit": f"largest difference from {row.whose}"}
        figures[what] = of | {"target": f"at most {row.bar:.0e}"}
    write_record("parity", list(figures.values()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        _one(sys.argv[2], Path(sys.argv[3]))
    else:
        main(sys.argv[1:])
