"""What pre-training brings on invented videos, those of the test unseen: `python -m benchmarks.downstream [ROW ...]`.

VideoMAE is tuned to motions, a small EgoVLP is probed on EPIC-KITCHENS-100's files, a small EgoVLPv2 answers questions
in EgoTaskQA's. Each row is a function; its figures
replace those of the same name in benchmarks/results/downstream.json. `--folder` keeps data and finished runs, so that
the same line goes on where it stopped, and other rows take what they share.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.record import figure, merge_record
from benchmarks.verbs import demo_run, run_verb
from egocurate.curation.synthetic import LabeledRootConfig
from egocurate.curation.synthetic.egotaskqa import write_egotaskqa
from egocurate.curation.synthetic.labeled import write_epic, write_motions
from egocurate.loaders import ShardIndex
from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.train import train
from egocurate.training.config.overrides import with_setting
from egocurate.training.config.recipes import RECIPES
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.run.start_sizes import with_sizes_of_start

Figures = list[dict[str, object]]

FRAMES = 8
# One of two times is hidden: four frames have to tell where an object goes to in the other four, or comes from.
MODEL = VideoMAEConfig(
    image=32,
    patch=8,
    frames=FRAMES,
    tubelet=4,
    width=96,
    depth=3,
    heads=4,
    decoder_width=96,
    decoder_depth=1,
    decoder_heads=4,
    mask="frame",
    mask_ratio=0.5,
)
ANSWER_STEPS = 800
TUNING_STEPS = (100, 200)
PRETRAINING_STEPS, PROBE_STEPS = 1000, 100
PRETRAINING_LR, TUNING_LR = 1.5e-3, 2e-3
HEAD_SCALE = 8.0  # fair to a start from nothing, which with 1 was right half as often after 200 steps
CHANCE = 100 / 6
MOTIONS = LabeledRootConfig(train=3000, test=240, side=48, spots=0.3)
QUESTIONS = LabeledRootConfig(train=480, test=36, side=64, fps=10)
EPIC = LabeledRootConfig(long_train=16, long_test=8, side=64)


def tuned_or_from_nothing(folder: Path, seeds: Sequence[int]) -> Figures:
    """VideoMAE tuned after pre-training on the same videos, and from nothing, at equally many steps."""
    data, figures = motions(folder), []
    for steps in TUNING_STEPS:
        with_start = [tuned(folder, data, seed, steps) for seed in seeds]
        without = [tuning(data, folder / f"runs/nothing-{steps}-{seed}", seed, steps) for seed in seeds]
        figures += [
            *described(f"motions, VideoMAE tuned for {steps} steps after pre-training, top-1", with_start),
            *described(f"motions, VideoMAE from nothing in {steps} steps, top-1", without),
            difference(f"motions: what pre-training brings in {steps} steps", with_start, without, "more than 0"),
        ]
    return figures


def one_frame_or_many(folder: Path, seeds: Sequence[int]) -> Figures:
    """Motions by one frame, which does not show them, and by many."""
    data, steps = motions(folder), max(TUNING_STEPS)
    single = replace(MODEL, frames=1, tubelet=1)
    one = [tuning(data, folder / f"runs/one-{steps}-{seed}", seed, steps, model=single) for seed in seeds]
    many = [tuned(folder, data, seed, steps) for seed in seeds]
    return [
        *described("motions seen in 1 frame, top-1", one, f"chance, {CHANCE:.1f}"),
        difference(f"motions: what {FRAMES} frames bring over 1", many, one, "far more than 0"),
    ]


def probe_of_pretrained_or_random(folder: Path, seeds: Sequence[int]) -> Figures:
    """The same MAP probe on a small EgoVLP that has learned from the demo's narrations, and on one that has not."""
    data, figures = epic(folder), []
    learned = demo_run(folder)
    found = {"after pre-training": [], "on random weights": []}
    for seed in seeds:
        found["after pre-training"].append(probe(data, folder / f"runs/probe-{seed}", seed, learned))
        start = folder / f"runs/untrained-{seed}"
        untrained = RECIPES["egovlp-tiny"]()
        run(replace(untrained, optimizer=replace(untrained.optimizer, lr=1e-9, final_lr=0.0)), data, start, seed, 1)
        found["on random weights"].append(probe(data, folder / f"runs/probe-untrained-{seed}", seed, start))
    for kind in ("verb", "noun"):
        by_start = {start: [run[f"{kind}_top1"] for run in runs] for start, runs in found.items()}
        for start, values in by_start.items():
            figures += described(f"EPIC {kind}s, MAP probe of EgoVLP {start}, top-1", values)
        brings = f"EPIC {kind}s: what pre-training brings in a probe"
        figures.append(difference(brings, *by_start.values(), "20 or more"))
    return figures


def questions(folder: Path, seeds: Sequence[int]) -> Figures:
    """EgoTaskQA's files: EgoVLPv2 tuned after pre-training on the demo's narrations, against a guess without a look."""
    data, found = questions_data(folder), []
    start = egovlpv2_run(folder)
    for seed in seeds:
        recipe = replace(RECIPES["egovlpv2-egotaskqa-tiny"](), start=str(start), test_shards=str(data / "test"))
        found.append(run(recipe, data, folder / f"runs/questions-{seed}", seed, ANSWER_STEPS))
    index = ShardIndex.open(data / "test")
    target = f"more than {without_a_look(index):.1f}, the most frequent answer to each kind of question"
    rows = described("EgoTaskQA, EgoVLPv2, all questions", [one["accuracy"] for one in found], target)
    for kind in ("open", "binary", "direct", "indirect"):
        rows += described(f"EgoTaskQA, EgoVLPv2, {kind} questions", [one[kind] for one in found])[:1]
    return rows


def without_a_look(index: ShardIndex) -> float:
    """Return the accuracy in percent of the most frequent answer to each kind of question."""
    answers: dict[int, list[int]] = {}
    for kind, answer in zip(index.labels["reasoning"].tolist(), index.labels["answer"].tolist(), strict=True):
        answers.setdefault(kind, []).append(answer)
    return 100 * sum(max(map(one.count, one)) for one in answers.values()) / len(index)


ROWS: dict[str, Callable[[Path, Sequence[int]], Figures]] = {
    "tune": tuned_or_from_nothing,
    "frames": one_frame_or_many,
    "probe": probe_of_pretrained_or_random,
    "questions": questions,
}


def motions(folder: Path) -> Path:
    """Invent motions and cut them into shards, train/ and test/ of the folder that is returned; what is there stays."""
    data = folder / "data"
    if not (data / "motions").exists():
        write_motions(data, MOTIONS)
    for name, names in (("train", data / "motions/classes.txt"), ("test", data / "train")):
        cut(data / f"motions/{name}.txt", data / name, "--label-names", names)
    return data


def epic(folder: Path) -> Path:
    """Invent EPIC-KITCHENS-100's files and cut their segments, train/ and test/ of the folder that is returned."""
    data = folder / "epic"
    if not (data / "epic").exists():
        write_epic(data, EPIC)
    kinds = ("--labels", "verb,noun")
    cut(data / "epic/EPIC_100_train.csv", data / "train", *kinds)
    cut(data / "epic/EPIC_100_validation.csv", data / "test", *kinds, "--label-names", data / "train")
    return data


def questions_data(folder: Path) -> Path:
    """Invent EgoTaskQA's files and cut a clip for each question, train/ and test/ of the folder that is returned."""
    data = folder / "questions"
    if not (data / "egotaskqa").exists():
        write_egotaskqa(data, QUESTIONS)
    videos = ("--videos-dir", data / "egotaskqa/qa_videos")
    cut(data / "egotaskqa/qa/direct/train_qas.json", data / "train", *videos)
    cut(data / "egotaskqa/qa/direct/test_qas.json", data / "test", *videos, "--label-names", data / "train")
    return data


def egovlpv2_run(folder: Path) -> Path:
    """Return a run of a small EgoVLPv2 on the demo's narrations, made if it is not there."""
    out, config = folder / "runs/egovlpv2", RECIPES["egovlpv2-tiny"]()
    if not (out / "result.json").exists():
        demo_run(folder)
        for setting in ("optimizer.lr=2e-3", "optimizer.warmup_steps=40", "epochs=6"):
            config = with_setting(config, setting)
        train(replace(config, shards=(str(folder / "demo/egoclip/shards"),), out=str(out)), resume=out.exists())
    return out


def cut(labels: Path, out: Path, *more: object) -> None:
    """Cut a file of labels into shards of pictures, if that is not done."""
    run_verb("segments", "--csv", labels, *more, "--out", out, "--profile", "fast", "--json")


def tuned(folder: Path, data: Path, seed: int, steps: int) -> float:
    """Return the top-1 accuracy of a VideoMAE tuned after pre-training on the training videos, labels unseen."""
    start = folder / f"runs/pretrained-{seed}"
    recipe = at_size(RECIPES["videomae-tiny"](), MODEL)
    optimizer = replace(recipe.optimizer, lr=PRETRAINING_LR)
    run(recipe, data, start, seed, PRETRAINING_STEPS, model=MODEL, optimizer=optimizer)
    return tuning(data, folder / f"runs/tuned-{steps}-{seed}", seed, steps, start=start)


def tuning(
    data: Path, out: Path, seed: int, steps: int, *, start: Path | None = None, model: VideoMAEConfig = MODEL
) -> float:
    """Return the top-1 accuracy of a VideoMAE that is tuned to the motions."""
    recipe = at_size(RECIPES["videomae-tune-tiny"](), model)
    optimizer = replace(recipe.optimizer, lr=TUNING_LR)
    classifier = ClassifierConfig(model, head_scale=HEAD_SCALE)
    changes = {"model": classifier, "start": str(start or ""), "optimizer": optimizer}
    return run(recipe, data, out, seed, steps, test_shards=str(data / "test"), **changes)["top1"]


def probe(data: Path, out: Path, seed: int, start: Path) -> dict[str, float]:
    """Return the test figures of a MAP probe on the frozen video tower of a run."""
    recipe = replace(RECIPES["egovlp-probe-tiny"](), start=str(start), test_shards=str(data / "test"))
    return run(with_sizes_of_start(recipe), data, out, seed, PROBE_STEPS)


def at_size(recipe: TrainConfig, model: VideoMAEConfig) -> TrainConfig:
    """Return a recipe whose clips are those that a model takes."""
    return replace(recipe, data=replace(recipe.data, frames=model.frames, size=model.image))


def run(recipe: TrainConfig, data: Path, out: Path, seed: int, steps: int, **changes: object) -> dict[str, float]:
    """Train by a recipe for so many steps, or take the run that is there, and return its last figures."""
    config = replace(
        recipe,
        data=replace(recipe.data, seed=seed, workers=0, pick="segments-random"),
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


def described(what: str, values: list[float], target: str | None = None) -> Figures:
    """Return the mean over seeds, and the lowest and highest."""
    rows = [figure(f"{what}, mean of {len(values)} seeds", float(np.mean(values)), "%", target)]
    return rows + [figure(f"{what}, {name}", of(values), "%") for name, of in (("lowest", min), ("highest", max))]


def difference(what: str, more: list[float], less: list[float], target: str) -> dict[str, object]:
    """Return by how much the mean of one is above that of the other."""
    return figure(what, float(np.mean(more) - np.mean(less)), "points", target)


def main() -> None:
    """Measure some rows, all if none is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep data and runs there, and take those that it has")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for name in asked.rows or ROWS:
            merge_record("downstream", ROWS[name](asked.folder or Path(scratch), range(asked.seeds)))


if __name__ == "__main__":
    main()
