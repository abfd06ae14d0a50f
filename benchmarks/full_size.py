"""The text side at Ego4D's size: `python -m benchmarks.full_size --root R --out O` (R from benchmarks.full_size_root).

Runs `curate egoclip --tables-only`, `curate egomcq --tables-only` and `curate verify egomcq.json` as a user would, each
in a process of its own, and adds up wall time, CPU time and peak memory over the process and its Ray workers. A root of
35 million narrations (`--videos 87400 --narrations 35000000`) has a record of its own: `--record full_size_35m`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.process_tree import Usage, run_measured
from benchmarks.record import figure, write_record
from egocurate.errors import InputError

_CURATE = (sys.executable, "-m", "egocurate")
_EGOCLIP, _EGOMCQ, _VERIFY = "curate egoclip --tables-only", "curate egomcq --tables-only", "curate verify egomcq.json"

RECORD = "full_size"
TARGETS = {
    RECORD: {"egoclip": {"wall": "<= 140", "memory": "<= 3"}, "egomcq": {"wall": "<= 40"}, "asked": "39,000"},
    "full_size_35m": {},  # LaViLa's narrator has told that many things of Ego4D
}


def measure(root: Path, out: Path, targets: Mapping[str, Any]) -> list[dict[str, object]]:
    """Build the tables of `root` in the new folder `out`; raises InputError for a wrong folder."""
    if not (root / "ego4d.json").is_file():
        raise InputError(f"{root}: no root there; write one with `python -m benchmarks.full_size_root --out {root}`")
    if out.exists():
        raise InputError(f"{out}: is there already, and finished tables cost no time; name a new folder")
    tables = ("--ego4d-root", str(root), "--out", str(out), "--tables-only", "--json")
    egoclip = run_measured([*_CURATE, "egoclip", *tables])
    egomcq = run_measured([*_CURATE, "egomcq", *tables])
    verify = run_measured([*_CURATE, "verify", str(out / "egomcq.json"), "--json"])
    record = json.loads((out / "egoclip.run.json").read_text())
    asked = json.loads((out / "egomcq.run.json").read_text())["counts"]
    return [
        figure("narrations read", record["counts"]["narrations"]["narrations"], "rows"),
        figure("clips written", record["counts"]["clips"], "rows"),
        *_costs(_EGOCLIP, egoclip, **targets.get("egoclip", {})),
        figure("EgoMCQ questions written", asked["inter"] + asked["intra"], "questions", targets.get("asked")),
        *_costs(_EGOMCQ, egomcq, **targets.get("egomcq", {})),
        *_costs(_VERIFY, verify),
        figure("load of the machine at the end, 1 min mean", os.getloadavg()[0], "processes"),
    ]


def _costs(what: str, usage: Usage, wall: str | None = None, memory: str | None = None) -> list[dict[str, object]]:
    return [
        figure(f"{what}, wall time", usage.wall_sec, "s", wall),
        figure(f"{what}, CPU time of all processes", usage.cpu_sec, "s"),
        figure(f"{what}, peak memory of all processes", usage.peak_bytes / 1e9, "GB", memory),
    ]


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--record", default=RECORD, choices=TARGETS, help="whose figures these are, by the root's size")
    given = parser.parse_args()
    write_record(given.record, measure(given.root, given.out, TARGETS[given.record]))


if __name__ == "__main__":
    main()
