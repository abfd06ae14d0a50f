"""Natural language queries and moments of invented long videos, by features of several kinds, from videos to figures.

    python -m benchmarks.localization RUN SCRATCH [--videos 40,12] [--epochs 60]

RUN is a small pre-trained run, that of `curate demo`; SCRATCH keeps the videos and the features. Each kind of features
is learned from on the same 40 videos and tested on the same 12 unseen ones, of 90 s each:
- trained: of RUN, and the questions embedded by it;
- untrained: of the same model before it has learned, its first weights drawn anew;
- planted: what is done in a row's stretch of time, as the script has it: nothing is left to see;
- shuffled: those rows in an order without meaning.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from benchmarks.record import figure, write_record
from egocurate.commands.jobs.features import FeatureRequest, features_of_run
from egocurate.commands.jobs.localize import LocalizeRequest, run_nlq
from egocurate.curation.synthetic import LongRootConfig, write_long_root
from egocurate.curation.synthetic.script import NOUNS, VERBS
from egocurate.training.localization.feature_folders import RATE
from egocurate.training.localization.loop import LoopConfig
from egocurate.training.run.load_model import load_model
from egocurate.training.run.model_source import source_of

BARS = {"trained": "at least 60", "untrained": "at most 20", "planted": "at least 90", "shuffled": "at most 10"}


def main() -> None:
    """Make what is missing, learn, test, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--videos", default="40,12")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--tasks", default="nlq,mq")
    given = parser.parse_args()
    torch.set_num_threads(1)
    train, val = map(int, given.videos.split(","))
    root = given.scratch / "root"
    write_long_root(root, LongRootConfig(train=train, val=val))
    figures = [row for task in given.tasks.split(",") for row in _figures(task, root, given)]
    write_record("localization", figures)


def _figures(task: str, root: Path, given: argparse.Namespace) -> Iterator[dict[str, object]]:
    for kind in BARS:
        features = make_features(kind, root, given)
        out = given.scratch / f"{task}-{kind}-{time.time_ns()}"
        text = {"trained": str(given.run), "untrained": ""}.get(kind, "")
        name = {"nlq": "nlq", "mq": "moments"}[task]
        files = [root / "v2" / "annotations" / f"{name}_{split}.json" for split in ("train", "val")]
        request = LocalizeRequest([features], None, *files, out, 128 if task == "nlq" else 2304, text, gpu=False)
        began = time.process_time()
        {"nlq": run_nlq, "mq": run_mq}[task](request, LoopConfig(given.epochs, **({} if task == "nlq" else {"batch_size": 2})))
        result = json.loads((out / "result.json").read_text())
        target, others = {"nlq": ("R1@0.3", ("R1@0.5", "R5@0.3")), "mq": ("mAP@0.1", ("mAP", "R1x@0.5"))}[task]
        yield figure(f"{task}, {kind} features: {target} on unseen videos", result[target], "%", BARS[kind])
        for other in others:
            yield figure(f"{task}, {kind} features: {other} on unseen videos", result[other], "%")
        yield figure(f"{task}, {kind} features: CPU time of learning", time.process_time() - began, "s")


def make_features(kind: str, root: Path, given: argparse.Namespace) -> Path:
    """Return the folder of a kind of features, made if it is not there."""
    folder = given.scratch / f"features-{kind}"
    if kind in ("planted", "shuffled"):
        _write_planted(folder, root, shuffled=kind == "shuffled")
    else:
        run = given.run if kind == "trained" else _untrained(given.run, given.scratch / "untrained")
        features_of_run(source_of(run), FeatureRequest(folder, "pt", root / "v2" / "full_scale"), ["data.workers=1"])
    return folder


def _untrained(run: Path, folder: Path) -> Path:
    """Write a model given away with the sizes of a run, and weights that are drawn anew; returns its folder."""
    import egocurate

    if not folder.exists():
        model = load_model(run, device="cpu")
        torch.manual_seed(1)
        for module in model.system.model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        egocurate.save(model, folder)
    return folder


def _write_planted(folder: Path, root: Path, *, shuffled: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    verbs, nouns = sorted(VERBS), sorted(NOUNS)
    for split in ("train", "val"):
        for video in json.loads((root / "v2" / "annotations" / f"nlq_{split}.json").read_text())["videos"]:
            [clip] = video["clips"]
            rows = np.zeros((int(clip["video_end_sec"] * RATE), len(verbs) + len(nouns)), np.float32)
            for query in clip["annotations"][0]["language_queries"]:
                first, end = (round(query[f"clip_{side}_sec"] * RATE) for side in ("start", "end"))
                told = query["query"].lower()
                rows[first:end, _said(told, VERBS)] = 1
                rows[first:end, len(verbs) + _said(told, NOUNS)] = 1
            if shuffled:
                rows = np.random.default_rng(int(video["video_uid"][:8], 16)).permutation(rows)
            torch.save(torch.from_numpy(rows), folder / f"{video['video_uid']}.pt")


def _said(text: str, classes: dict[str, tuple[str, ...]]) -> int:
    """Return which class a question names, by the longest of its words."""
    found = [(len(word), name) for name, words in classes.items() for word in words if f" {word} " in f"{text[:-1]} "]
    return sorted(classes).index(max(found)[1])


if __name__ == "__main__":
    main()
