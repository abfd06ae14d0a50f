"""What tuning brings to retrieval and state changes, on invented videos: `python -m benchmarks.downstream_retrieval`.

A small EgoVLP learns from narrations of one set of videos, and then, with some seeds, from EPIC-KITCHENS-100's and
Ego4D's files of other videos; both are tested on unseen videos. FOLDER keeps data and finished runs: the same line
again goes on where it stopped. Rows of `benchmarks/results/downstream.json` are replaced by name, others stay.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.record import figure, merge_record
from benchmarks.verbs import run_verb
from egocurate.curation.synthetic import DemoRootConfig, LabeledRootConfig, write_demo_root
from egocurate.curation.synthetic.labeled import write_epic, write_state_changes
from egocurate.loaders import ShardIndex
from egocurate.train import train
from egocurate.training.config.overrides import with_setting
from egocurate.training.config.recipes import RECIPES
from egocurate.training.run.start_sizes import with_sizes_of_start
from egocurate.training.tasks.state_changes import windows_of

NARRATED = DemoRootConfig(train=24, val=2, video_sec=40.0, side=64, fps=15)
EPIC = LabeledRootConfig(long_train=80, long_test=12, video_sec=32.0, side=64)
CHANGES = LabeledRootConfig(long_train=40, long_test=16, video_sec=64.0, side=64)
RECORD = "downstream"
Figures = dict[str, dict[str, float]]
"""of a run, "before" and "after", by name"""
SMALL = ("model.video.width=64", "model.video.depth=2", "model.text.width=64", "model.text.depth=1")


def build(out: Path) -> None:
    """Write videos and shards of narrations, of EPIC-KITCHENS-100 and of state changes, unless they are there."""
    write_demo_root(out / "narrated", NARRATED)
    if not (out / "epic.written").exists():
        write_epic(out, EPIC)
        write_state_changes(out, CHANGES)
        (out / "epic.written").touch()
    run_verb("egoclip", "--ego4d-root", out / "narrated", "--out", out / "egoclip")
    epic, ego4d = out / "epic", out / "ego4d"
    files = {"train": "EPIC_100_train.csv", "test": "retrieval_annotations/EPIC_100_retrieval_test.csv"}
    for name, file in files.items():
        source = ("--source", "epic-kitchens", "--root", epic, "--profile", "fast")
        run_verb("shards", "--egoclip", epic / file, *source, "--out", out / f"mir-{name}")
    for name in ("train", "val"):
        file = ego4d / f"v2/annotations/fho_oscc-pnr_{name}.json"
        source = ("--ego4d-root", ego4d, "--profile", "fast")
        run_verb("segments", "--annotations", file, *source, "--out", out / f"changes-{name}")


def learn(out: Path, recipe: str, shards: Path, *settings: str, **given: str) -> Figures:
    """Return the figures of a run before and after, training it unless that is done."""
    if (out / "result.json").exists():
        return json.loads((out / "result.json").read_text())
    paths = {"shards": (str(shards),), "out": str(out)} | given
    config = with_sizes_of_start(replace(RECIPES[recipe](), device="cpu", eval_every=100_000, **paths))
    for setting in settings:
        config = with_setting(config, setting)
    result = train(config, resume=(out / "checkpoints").exists(), say=lambda line: None)
    return {"before": result.before, "after": result.after}


def chance(out: Path) -> tuple[float, float, float]:
    """Return what guesses without a look have of state changes.

    The share of the larger class in percent; the error in seconds of a frame drawn from 16, and of the median of the
    training windows, the best time that is always the same.
    """
    known, test = (ShardIndex.open(out / f"changes-{name}") for name in ("train", "val"))
    changes = test.labels["state_change"]
    larger = 100 * max(float((changes == 0).mean()), float((changes == 1).mean()))
    learned, unseen = (windows_of(index, range(len(index))) for index in (known, test))
    guess = np.nanmedian(learned.change_sec - learned.start_sec)
    after = unseen.change_sec - unseen.start_sec
    frames = np.arange(16)[:, None] / 16 * (unseen.end_sec - unseen.start_sec)
    return larger, float(np.nanmean(np.abs(after - frames))), float(np.nanmean(np.abs(after - guess)))


def learn_all(out: Path, seeds: Mapping[str, int]) -> dict[str, list[Figures]]:
    """Return the figures of the tuned runs of each task, one for each seed."""
    steps = ("data.negatives=false", "epochs=1000", "max_steps=300")
    learn(out / "runs/narrated", "egovlp-tiny", out / "egoclip/shards", *SMALL, *steps)
    start, changes = str(out / "runs/narrated"), {"test_shards": str(out / "changes-val")}
    retrieval = {"test_shards": str(out / "mir-test"), "annotations": str(out / "epic/retrieval_annotations")}
    # A classifier takes its sizes from its start. A window of 16 frames costs four clips, so it has fewer epochs.
    tests = {
        "mir": ("egovlp-epic-mir-tiny", "mir-train", SMALL, retrieval),
        "oscc": ("egovlp-oscc-tiny", "changes-train", ("epochs=15",), changes),
        "pnr": ("egovlp-pnr-tiny", "changes-train", ("epochs=15",), changes),
    }
    found: dict[str, list[Figures]] = {task: [] for task in tests}
    for task, (recipe, shards, settings, given) in tests.items():
        for seed in range(seeds[task]):
            own = (*settings, f"data.seed={seed}")
            place = out / f"runs/{task}-{seed}"
            found[task].append(learn(place, recipe, out / shards, *own, start=start, **given))
            print(task, seed, found[task][-1], flush=True)
    return found


def over_seeds(runs: Sequence[Figures], when: str, name: str) -> tuple[float, float]:
    """Return mean and standard deviation of a figure over runs, nan for that of one."""
    values = [run[when][name] for run in runs]
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else math.nan


def retrieval_rows(runs: Sequence[Figures]) -> Iterator[dict[str, object]]:
    """Yield the rows of multi-instance retrieval."""
    for name, title in (("map_avg", "mAP"), ("ndcg_avg", "nDCG")):
        before, (mean, spread) = over_seeds(runs, "before", name)[0], over_seeds(runs, "after", name)
        goal = f">= {before + 20:.1f}, zero-shot + 20" if name == "map_avg" else None
        yield figure(f"EPIC retrieval, {title}, zero-shot", before, "%")
        yield figure(f"EPIC retrieval, {title}, tuned, mean of {len(runs)} seeds", mean, "%", goal)
        if len(runs) > 1:
            yield figure(f"EPIC retrieval, {title}, tuned, standard deviation", spread, "points")


def change_rows(out: Path, found: Mapping[str, Sequence[Figures]]) -> Iterator[dict[str, object]]:
    """Yield the rows of both questions about state changes."""
    accuracy, drawn, seconds = chance(out)
    yield figure("PNR error, a frame drawn at random", drawn, "s")
    for task, name, title, unit, guess, goal in (
        ("oscc", "accuracy", "OSCC accuracy", "%", accuracy, f"above {accuracy:.1f}"),
        ("pnr", "error_sec", "PNR error", "s", seconds, f"below {seconds:.2f}"),
    ):
        mean, spread = over_seeds(found[task], "after", name)
        yield figure(f"{title}, a guess without a look", guess, unit)
        yield figure(f"{title}, tuned, seeds: {len(found[task])}", mean, unit, goal)
        if len(found[task]) > 1:
            yield figure(f"{title}, tuned, standard deviation", spread, "points" if unit == "%" else unit)


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/downstream-retrieval"))
    parser.add_argument("--seeds", type=int, default=3, help="of retrieval")
    parser.add_argument("--change-seeds", type=int, default=1, help="of state changes")
    options = parser.parse_args()
    seeds = {"mir": options.seeds, "oscc": options.change_seeds, "pnr": options.change_seeds}
    out = options.out.absolute()
    build(out)
    found = learn_all(out, seeds)
    rows = [*retrieval_rows(found["mir"]), *change_rows(out, found)]
    merge_record(RECORD, rows)


if __name__ == "__main__":
    main()
