"""What each part of EgoVLP's contrast brings, on invented videos: `python -m benchmarks.ablation --out FOLDER`.

Every row is the tiny recipe trained from nothing with one thing changed, over the same clips for as many epochs, with
some seeds, and asked the same questions of unseen videos. Windows are compared by `benchmarks.window_ablation`. FOLDER
keeps the data and every finished run: the same line again goes on where it stopped.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.record import figure, write_record
from benchmarks.seeds import of_each_seed, options, spread
from egocurate.commands.jobs.cutting import RunOptions
from egocurate.commands.jobs.egoclip import run_egoclip
from egocurate.commands.jobs.egomcq import run_egomcq
from egocurate.commands.output.output_folder import MCQ_SHARDS, SHARDS
from egocurate.curation.config import EgoClipConfig, EgoMCQConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.curation.synthetic import DemoRootConfig, write_demo_root
from egocurate.progress import silent
from egocurate.ray_session import ray_session

ROOT = DemoRootConfig(train=72, val=24)
QUESTIONS = EgoMCQConfig(inter=800, intra=300)
ROWS = {
    "InfoNCE": {"objective.loss": "info_nce", "data.negatives": "false"},
    "InfoNCE + positives": {"objective.loss": "egonce", "data.negatives": "false"},
    "InfoNCE + hard negatives": {"objective.loss": "info_nce", "data.negatives": "true"},
    "EgoNCE": {},
}


def build(out: Path) -> None:
    """Write the videos, clips and questions, unless they are there."""
    root, options = out / "ego4d", RunOptions(shard_clips=64)
    with ray_session(None):
        write_demo_root(root, ROOT)
        source = Ego4DSource(root)
        run_egoclip(source, out / "egoclip", EgoClipConfig(), "auto", options, silent)
        run_egomcq(source, out / "egoclip", QUESTIONS, None, "auto", options, silent)


def run(out: Path, row: str, seed: int) -> dict[str, float]:
    """Return EgoMCQ accuracy of a row with a seed, training it unless that is done."""
    where = out / "runs" / f"{row.replace(' ', '_')}-{seed}"
    data = out / "egoclip"
    command = [sys.executable, "train.py", "egovlp-tiny", "--out", str(where), "--resume"]
    command += ["--shards", str(data / SHARDS), "--mcq-json", str(data / "egomcq.json")]
    command += ["--mcq-shards", str(data / MCQ_SHARDS), "--set", f"data.seed={seed}", "--set", "eval_every=100000"]
    for key, value in ROWS[row].items():
        command += ["--set", f"{key}={value}"]
    if not (where / "result.json").exists():
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[1])
    return json.loads((where / "result.json").read_text())["after"]


def measure(out: Path, seeds: int) -> list[dict[str, object]]:
    """Return mean and standard deviation of EgoMCQ accuracy over seeds, by row and type."""
    build(out)
    figures = []
    for row, answers in of_each_seed(ROWS, seeds, partial(run, out)).items():
        for kind in ("inter", "intra"):
            values = [answer[kind] for answer in answers]
            figures.append(figure(f"{row}: {kind}", statistics.mean(values), "%") | {"spread": spread(values)})
    return figures


def main() -> None:
    """Train every row and keep the table."""
    asked = options(__doc__)
    write_record("ablation", measure(asked.out, asked.seeds))


if __name__ == "__main__":
    main()
