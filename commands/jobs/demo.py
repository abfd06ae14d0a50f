"""The whole way at small size: invented root, EgoClip, EgoMCQ, shards, training, evaluation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from egocurate.commands.jobs.cutting import RunOptions
from egocurate.commands.jobs.egoclip import run_egoclip
from egocurate.commands.jobs.egomcq import run_egomcq
from egocurate.commands.output.output_folder import MCQ_SHARDS, SHARDS
from egocurate.curation.config import EgoClipConfig, EgoMCQConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.curation.synthetic import LongRootConfig, write_demo_root, write_long_root, write_summary_root
from egocurate.progress import Report
from egocurate.questions import QUESTIONS_FILE

QUESTIONS = {"inter": 400, "intra": 150}  # a standard error of 2.5 and 4 points at most


class Trained(Protocol):
    """What training gives back: EgoMCQ accuracy in percent by type, before and after, and the pace."""

    before: dict[str, float]
    after: dict[str, float]
    steps: int
    clips_per_sec: float


Train = Callable[[Path, Path, Path, Path, Report], Trained]
"""train(shards, egomcq.json, shards of its clips, folder of the run, report)."""


def run_demo(out: Path, train: Train, report: Report) -> dict[str, object]:
    """Run every step below `out`, leaving those already done; returns the rows of the summary."""
    root, data = out / "ego4d", out / "egoclip"
    options = RunOptions(shard_clips=64)
    write_demo_root(root, report=report)
    source = Ego4DSource(root)
    egoclip = run_egoclip(source, data, EgoClipConfig(), "auto", options, report)
    mcq = run_egomcq(source, data, EgoMCQConfig(**QUESTIONS), None, "auto", options, report)
    trained = train(data / SHARDS, data / QUESTIONS_FILE, data / MCQ_SHARDS, out / "run", report)
    return {
        "clips": egoclip.summary["clips"],
        "rejected": egoclip.summary["rejected"],
        "shards": egoclip.summary["shards"],
        "cut_clips_per_sec": egoclip.summary.get("cut_clips_per_sec", "kept from an earlier run"),
        "questions": {name: mcq.summary[name] for name in ("inter", "intra")},
        "train_steps": trained.steps,
        "train_clips_per_sec": trained.clips_per_sec,
        "egomcq_percent": {
            name: f"{trained.before[name]:.1f} -> {trained.after[name]:.1f}" for name in ("inter", "intra")
        },
    }


def run_long_demo(out: Path, report: Report) -> dict[str, object]:
    """Write long videos with planted questions, moments and summaries to `out`; returns the rows of the summary."""
    write_long_root(out, report=report)
    write_summary_root(out / "summaries", report=report)
    return {
        "videos": str(out / "v2" / "full_scale"),
        "questions and moments": str(out / "v2" / "annotations"),
        "seconds of a video": LongRootConfig().video_sec,
        "videos with summaries": str(out / "summaries"),
    }
