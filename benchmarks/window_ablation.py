"""What each window strategy brings, on invented videos: `python -m benchmarks.window_ablation --out FOLDER`.

A quiz whose clips are cut by one strategy is easier for the model that has learned from that strategy's clips. So each
row, the tiny recipe trained from nothing on clips of one strategy, answers two: questions whose clips its own strategy
cuts, and, the same for all, questions whose clips are the gold segments, which invented videos have. The unseen videos
are the same. FOLDER keeps the data and every finished run: the same line again goes on where it stopped.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.record import figure, write_record
from benchmarks.seeds import of_each_seed, options, spread
from egocurate.clip_table import CLIP_SCHEMA
from egocurate.commands.jobs.cutting import RunOptions
from egocurate.commands.jobs.egoclip import run_egoclip
from egocurate.commands.jobs.egomcq import run_egomcq
from egocurate.commands.jobs.shards import run_shards
from egocurate.commands.output.output_folder import CLIP_TABLE, MCQ_SHARDS, SHARDS
from egocurate.curation.config import EgoClipConfig, EgoMCQConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.curation.synthetic import DemoRootConfig, demo_scripts, write_demo_root
from egocurate.curation.synthetic.script import ACTION_SEC, Script
from egocurate.progress import silent
from egocurate.questions import CLIPS_FILE, QUESTIONS_FILE
from egocurate.ray_session import ray_session
from egocurate.storage.atomic import atomic_write
from egocurate.storage.parquet import write_parquet
from egocurate.storage.typed_parquet import read_typed

ROOT = DemoRootConfig(train=36, val=12)
QUESTIONS = EgoMCQConfig(inter=600, intra=200)
WINDOWS = {"egoclip": "egoclip", "fixed": "alpha-around", "adaptive": "adaptive"}
GOLD = "gold"
PROJECT = Path(__file__).parents[1]


def build(out: Path) -> None:
    """Write the videos, clips and questions by each window rule, and the quiz of gold segments, unless they are there.

    The gold quiz asks what the first rule's asks: its questions, with each clip cut where the action is.
    """
    options = RunOptions(shard_clips=64)
    with ray_session(None):
        write_demo_root(out / "ego4d", ROOT)
        source = Ego4DSource(out / "ego4d")
        for name, window in WINDOWS.items():
            run_egoclip(source, out / name, replace(EgoClipConfig(), window=window), "auto", options, silent)
            run_egomcq(source, out / name, replace(QUESTIONS, window=window), None, "auto", options, silent)
        first = out / next(iter(WINDOWS))
        clips = with_gold_bounds(read_typed(first / CLIPS_FILE, CLIP_SCHEMA), demo_scripts(ROOT))
        (out / GOLD).mkdir(exist_ok=True)
        atomic_write(out / GOLD / CLIP_TABLE, lambda stream: write_parquet(clips, stream))
        (out / GOLD / QUESTIONS_FILE).write_bytes((first / QUESTIONS_FILE).read_bytes())
        run_shards(out / GOLD / CLIP_TABLE, source, out / GOLD / MCQ_SHARDS, options, silent)


def with_gold_bounds(clips: pa.Table, scripts: Mapping[str, Script]) -> pa.Table:
    """Return clips of invented videos that begin and end with the action that their narration tells: the nearest one.

    Actions are 2.6 s apart or more and told at most about half a second beside their middle, so there is no doubt.
    """
    middles = {uid: np.array([action.time_sec for action in script.actions]) for uid, script in scripts.items()}
    told = zip(clips["video_uid"].to_pylist(), clips["narration_time"].to_pylist(), strict=True)
    middle = np.array([middles[uid][np.abs(middles[uid] - time).argmin()] for uid, time in told])
    length = clips["video_dur"].to_numpy()
    bounds = {"start": np.maximum(0, middle - ACTION_SEC / 2), "end": np.minimum(length, middle + ACTION_SEC / 2)}
    for edge, seconds in bounds.items():
        for column in (f"clip_{edge}", f"window_{edge}"):
            clips = clips.set_column(clips.schema.get_field_index(column), column, pa.array(seconds))
    return clips


def run(out: Path, window: str, seed: int) -> dict[str, dict[str, float]]:
    """Return EgoMCQ accuracy of a strategy with a seed by quiz, its own and the gold one, training it unless done."""
    where = out / "runs" / f"{window}-{seed}"
    own = ["--mcq-json", str(out / window / QUESTIONS_FILE), "--mcq-shards", str(out / window / MCQ_SHARDS)]
    gold = ["--mcq-json", str(out / GOLD / QUESTIONS_FILE), "--mcq-shards", str(out / GOLD / MCQ_SHARDS)]
    if not (where / "result.json").exists():
        settings = ["--set", f"data.seed={seed}", "--set", "eval_every=100000"]
        shards = ["--shards", str(out / window / SHARDS)]
        _call("egovlp-tiny", "--out", str(where), "--resume", *shards, *own, *settings)
    found = where / GOLD / "eval-egomcq-dual.json"
    if not found.exists():
        _call("eval", str(where), *gold, "--out", str(found.parent))
    return {"own": json.loads((where / "result.json").read_text())["after"], GOLD: json.loads(found.read_text())}


def _call(*words: str) -> None:
    subprocess.run([sys.executable, "train.py", *words], check=True, stdout=subprocess.DEVNULL, cwd=PROJECT)


def measure(out: Path, seeds: int) -> list[dict[str, object]]:
    """Return mean and standard deviation over seeds of EgoMCQ accuracy on both quizzes, by strategy and type."""
    build(out)
    figures = []
    for window, answers in of_each_seed(WINDOWS, seeds, partial(run, out)).items():
        for kind in ("inter", "intra"):
            own, gold = ([answer[quiz][kind] for answer in answers] for quiz in ("own", GOLD))
            row = figure(f"{window} windows: {kind}", statistics.mean(own), "%") | {"own_spread": spread(own)}
            figures.append(row | {"gold": round(statistics.mean(gold), 3), "gold_spread": spread(gold)})
    return figures


def main() -> None:
    """Train every strategy and keep the table."""
    asked = options(__doc__)
    write_record("window_ablation", measure(asked.out, asked.seeds))


if __name__ == "__main__":
    main()
