"""What tuning and probing bring on invented motions, test videos unseen: `python -m benchmarks.downstream [ROW ...]`.

Each row is a function; its figures replace those of the same name in benchmarks/results/downstream.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.record import RESULTS, figure, write_record
from egocurate.commands.curate import main as curate
from egocurate.curation.synthetic import LabeledRootConfig
from egocurate.curation.synthetic.labeled import write_motions
from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.train import train
from egocurate.training.config.loss_configs import Classification
from egocurate.training.config.recipes import RECIPES
from egocurate.training.config.train_config import TrainConfig

Figures = list[dict[str, object]]

SEEDS = (0, 1, 2)
FRAMES, SIZE = 8, 32
MODEL = VideoMAEConfig(
    image=SIZE,
    patch=16,
    frames=FRAMES,
    width=64,
    depth=3,
    heads=4,
    decoder_width=48,
    decoder_depth=1,
    decoder_heads=4,
    mask_ratio=0.5,  # of the four places of a frame
)
PRETRAINING_STEPS, TUNING_STEPS, PROBE_STEPS = 1500, 500, 500
CHANCE = 100 / 6
VIDEOS = LabeledRootConfig(train=768, test=120, side=80)


def tuned_or_from_nothing(data: Path, scratch: Path) -> Figures:
    """VideoMAE tuned after pre-training on the same videos, and from nothing, at equally many steps."""
    with_start, without = [], []
    for seed in SEEDS:
        start = pretrained(data, scratch, seed)
        with_start.append(top1(tuning(data, scratch / f"tuned-{seed}", seed, start=start)))
        without.append(top1(tuning(data, scratch / f"nothing-{seed}", seed)))
    return [
        *described("VideoMAE tuned after pre-training, top-1", with_start),
        *described("VideoMAE from nothing at equal steps, top-1", without),
        difference("pre-training brings in tuning", with_start, without, "more than 0"),
    ]


def probe_of_pretrained_or_random(data: Path, scratch: Path) -> Figures:
    """The same probe on a pre-trained and on a random encoder."""
    learned, random = [], []
    for seed in SEEDS:
        untrained = pretrained(data, scratch, seed, steps=1)
        for start, found in ((pretrained(data, scratch, seed), learned), (untrained, random)):
            found.append(top1(probe(data, scratch / f"probe-{start.name}", seed, start)))
    return [
        *described("MAP probe of a pre-trained VideoMAE, top-1", learned),
        *described("MAP probe of a random encoder, top-1", random),
        difference("pre-training brings in a probe", learned, random, "20 or more"),
    ]


def one_frame_or_many(data: Path, scratch: Path) -> Figures:
    """Motions by one frame, which does not show them, and by many."""
    one, many = [], []
    for seed in SEEDS:
        single = replace(MODEL, frames=1, tubelet=1)
        one.append(top1(tuning(data, scratch / f"one-{seed}", seed, model=single, steps=2 * TUNING_STEPS)))
        many.append(top1(tuning(data, scratch / f"many-{seed}", seed, steps=2 * TUNING_STEPS)))
    return [
        *described("motions seen in 1 frame, top-1", one, f"chance, {CHANCE:.1f}"),
        *described(f"motions seen in {FRAMES} frames, top-1", many),
        difference(f"{FRAMES} frames bring over 1", many, one, "far more than 0"),
    ]


ROWS: dict[str, Callable[[Path, Path], Figures]] = {
    "tune": tuned_or_from_nothing,
    "probe": probe_of_pretrained_or_random,
    "frames": one_frame_or_many,
}


def make_data(folder: Path) -> Path:
    """Invent motions below a folder and cut them into shards, train/ and test/; what is there stays."""
    if not (folder / "motions").exists():
        write_motions(folder, VIDEOS)
    for name, names in (("train", folder / "motions/classes.txt"), ("test", folder / "train")):
        words = ["segments", "--csv", folder / f"motions/{name}.txt", "--label-names", names]
        try:
            curate([*map(str, words), "--out", str(folder / name), "--profile", "fast", "--json"])
        except SystemExit as left:
            if left.code:
                raise
    return folder


def pretrained(data: Path, scratch: Path, seed: int, steps: int = PRETRAINING_STEPS) -> Path:
    """Return the folder of a pre-training run on the training videos, their labels unseen; one that is there stays."""
    recipe = RECIPES["videomae-tiny"]()
    out = scratch / f"pretrained-{steps}-{seed}"
    run(recipe, data, out, seed, steps, model=MODEL, optimizer=recipe.optimizer)
    return out


def tuning(
    data: Path,
    out: Path,
    seed: int,
    *,
    start: Path | None = None,
    model: VideoMAEConfig = MODEL,
    steps: int = TUNING_STEPS,
) -> dict[str, float]:
    """Return the test figures of a VideoMAE that is tuned to the motions."""
    recipe = RECIPES["videomae-tune-tiny"]()
    changes = {"model": ClassifierConfig(model), "start": str(start or "")}
    return run(recipe, data, out, seed, steps, test_shards=str(data / "test"), **changes)


def probe(data: Path, out: Path, seed: int, start: Path) -> dict[str, float]:
    """Return the test figures of a MAP probe on the frozen encoder of a run."""
    recipe = RECIPES["videomae-probe-tiny"]()
    model = ClassifierConfig(MODEL, head="map", head_channels=16, frozen=True)
    changes = {"model": model, "start": str(start), "objective": Classification(test_segments=2)}
    return run(recipe, data, out, seed, PROBE_STEPS, test_shards=str(data / "test"), **changes)


def run(recipe: TrainConfig, data: Path, out: Path, seed: int, steps: int, **changes: object) -> dict[str, float]:
    """Train by a recipe for so many steps, or take the run that is there, and return its last figures."""
    frames = getattr(changes["model"], "backbone", changes["model"]).frames
    seen = replace(recipe.data, frames=frames, size=SIZE, seed=seed, workers=0, pick="segments-random")
    config = replace(
        recipe,
        data=seen,
        shards=(str(data / "train"),),
        out=str(out),
        epochs=10**4,
        max_steps=steps,
        eval_every=10**6,
        checkpoint_every=10**6,
        log_every=50,
        batch_size=32,
        device="cpu",
        **changes,
    )
    return train(config, resume=out.exists(), say=lambda line: print(f"{out.name}: {line}", flush=True)).after


def top1(figures: dict[str, float]) -> float:
    """Return the top-1 accuracy of a test."""
    return figures["top1"]


def described(what: str, values: list[float], target: str | None = None) -> Figures:
    """Return the mean over seeds, and the lowest and highest."""
    rows = [figure(f"{what}, mean of {len(values)} seeds", float(np.mean(values)), "%", target)]
    return rows + [figure(f"{what}, {name}", of(values), "%") for name, of in (("lowest", min), ("highest", max))]


def difference(what: str, more: list[float], less: list[float], target: str) -> dict[str, object]:
    """Return by how much the mean of one is above that of the other."""
    return figure(what, float(np.mean(more) - np.mean(less)), "points", target)


def merge_record(name: str, figures: Figures, folder: Path = RESULTS) -> Path:
    """Write figures to a record, beside those of other names that it has."""
    path = folder / f"{name}.json"
    earlier = json.loads(path.read_text())["figures"] if path.exists() else []
    new = {row["what"] for row in figures}
    return write_record(name, [row for row in earlier if row["what"] not in new] + figures, folder)


def main() -> None:
    """Measure some rows, all if none is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--folder", type=Path, help="keep data and runs there, and take those that it has")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.folder or Path(scratch)
        data = make_data(folder / "data")
        for name in asked.rows or ROWS:
            merge_record("downstream", ROWS[name](data, folder / "runs"))


if __name__ == "__main__":
    main()
