"""Runs of several seeds: each row of a comparison for each of them, and the spread of what they give."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

Answer = TypeVar("Answer")


def options(description: str) -> argparse.Namespace:
    """Return `out`, the folder for data and runs, and how many `seeds` the command line asks for."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for data and runs")
    parser.add_argument("--seeds", type=int, default=3)
    return parser.parse_args()


def of_each_seed(rows: Iterable[str], seeds: int, run: Callable[[str, int], Answer]) -> dict[str, list[Answer]]:
    """Return what `run(row, seed)` gives, by row, a value for each seed; each is said when it is there.

    Seed by seed, so that what is stopped has compared all rows with some seeds.
    """
    found: dict[str, list[Answer]] = {row: [] for row in rows}
    for seed in range(seeds):
        for row, answers in found.items():
            answers.append(run(row, seed))
            print(f"seed {seed}, {row}: {answers[-1]}", file=sys.stderr, flush=True)
    return found


def spread(values: Sequence[float]) -> float | str:
    """Return the standard deviation over seeds, to two decimals; of one there is none."""
    return round(statistics.stdev(values), 2) if len(values) > 1 else "one seed"
