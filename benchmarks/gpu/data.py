"""The clips of the pack: a few of 256 pixels in two profiles for speed, and small ones with questions to learn from."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from egocurate.commands.jobs.cutting import RunOptions
from egocurate.commands.jobs.egoclip import run_egoclip
from egocurate.commands.jobs.egomcq import run_egomcq
from egocurate.commands.output.output_folder import MCQ_SHARDS, SHARDS
from egocurate.curation.config import EgoClipConfig, EgoMCQConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.curation.synthetic import DemoRootConfig, write_demo_root
from egocurate.progress import silent
from egocurate.questions import QUESTIONS_FILE
from egocurate.storage.atomic import write_json

PROFILES = ("train", "fast")


@dataclass(frozen=True)
class DataSize:
    """Videos for speed and to learn from, and how many questions of each type are asked."""

    speed: DemoRootConfig
    learn: DemoRootConfig
    inter: int
    intra: int


FULL = DataSize(
    speed=DemoRootConfig(train=2, val=0, side=256, seed=1),
    learn=DemoRootConfig(train=12, val=6, side=128),
    inter=200,
    intra=80,
)
SMALL = DataSize(
    speed=DemoRootConfig(train=2, val=0, video_sec=20.0, side=64, fps=15, seed=1),
    learn=DemoRootConfig(train=2, val=6, video_sec=20.0, side=64, fps=15),
    inter=12,
    intra=4,
)
"""For tests: the same layout."""


def write_data(out: Path, size: DataSize, scratch: Path) -> None:
    """Write speed-train/, speed-fast/, learn/, egomcq-shards/ and egomcq.json below `out`; what is there is kept."""
    speed = _root(scratch / "speed-root", size.speed)
    for profile in PROFILES:
        made = scratch / f"speed-{profile}"
        run_egoclip(speed, made, EgoClipConfig(), "auto", RunOptions(profile, shard_clips=32), silent)
        _take(made / SHARDS, out / f"speed-{profile}")
    learn, made = _root(scratch / "learn-root", size.learn), scratch / "learn"
    options = RunOptions(shard_clips=64)
    run_egoclip(learn, made, EgoClipConfig(), "auto", options, silent)
    run_egomcq(learn, made, EgoMCQConfig(inter=size.inter, intra=size.intra), None, "auto", options, silent)
    _take(made / SHARDS, out / "learn")
    _take(made / MCQ_SHARDS, out / "egomcq-shards")
    shutil.copyfile(made / QUESTIONS_FILE, out / "egomcq.json")
    write_json(out / "pack.json", {"size": str(size)})


def _root(folder: Path, config: DemoRootConfig) -> Ego4DSource:
    write_demo_root(folder, config)
    return Ego4DSource(folder)


def _take(folder: Path, out: Path) -> None:
    shutil.copytree(folder, out, dirs_exist_ok=True)
