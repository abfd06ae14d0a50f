"""What every part of the acceptance run is told: device, size, where the packed clips are and where results go."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Facts = dict[str, Any]
"""What is known of a case: plain values, for JSON."""
Case = Callable[[], Facts]

PACK = Path("build/gpu-pack")
RESULTS, SUMMARY = "results.json", "summary.md"


@dataclass(frozen=True)
class Setup:
    """Device and size of a run, its folders, and how many cores it may use."""

    device: Literal["cuda", "cpu"]
    small: bool
    """tiny models and a few steps: to see that the parts work, not to measure"""
    pack: Path
    """what `benchmarks.gpu.pack` wrote"""
    out: Path
    """few files, to be brought home: results.json, summary.md, curves.png, trace.json.gz"""
    work: Path
    """runs with their checkpoints, which stay on the machine"""
    cores: int
    seconds: float = 600.0
    """for a part that takes what time there is"""

    @property
    def measure_sec(self) -> float:
        """How long a rate is measured."""
        return 0.2 if self.small else 6.0

    @property
    def patience_sec(self) -> float:
        """After how long a training command of a part stands still."""
        return 600.0 if self.small else 75.0

    def shards(self, profile: Literal["train", "fast"]) -> Path:
        """Return the folder of a few clips of 256 pixels, for speed."""
        return self.pack / f"speed-{profile}"

    @property
    def learn(self) -> Mapping[str, Path]:
        """What a run learns from and is asked: shards, mcq_json and mcq_shards."""
        return {
            "shards": self.pack / "learn",
            "mcq_json": self.pack / "egomcq.json",
            "mcq_shards": self.pack / "egomcq-shards",
        }


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that the driver and its parts share."""
    parser.add_argument("--out", type=Path, required=True, help="folder of the results; an earlier run there goes on")
    parser.add_argument("--pack", type=Path, default=PACK, help=f"folder of the pack (default {PACK})")
    parser.add_argument("--work", type=Path, default=None, help="folder for runs (default OUT/work)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny models, to see that all of it works")


def setup_of(given: argparse.Namespace, seconds: float = 600.0) -> Setup:
    """Return the setup that the options describe, with absolute folders."""
    out = given.out.resolve()
    work = (given.work or out / "work").resolve()
    return Setup(given.device, given.small, given.pack.resolve(), out, work, len(os.sched_getaffinity(0)), seconds)


def options_of(setup: Setup) -> list[str]:
    """Return the options that `setup_of` reads as this setup."""
    options = ["--out", str(setup.out), "--pack", str(setup.pack), "--work", str(setup.work)]
    return [*options, "--device", setup.device, *(["--small"] if setup.small else [])]
