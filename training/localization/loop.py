"""The loop of small models on features in memory: epochs, a checkpoint after each, figures now and then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from egocurate.errors import InputError
from egocurate.progress import Report, Stage
from egocurate.storage.atomic import atomic_write, write_json, write_text
from egocurate.storage.json_notes import read_note

SETTINGS, CHECKPOINT, LOSSES, RESULT = "localization.json", "checkpoint.pt", "losses.csv", "result.json"


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast is learned; EgoVLP's numbers for Ego4D's NLQ."""

    epochs: int = 100
    batch_size: int = 32
    lr: float = 1e-3
    """falls to 0 over the epochs, in a line"""
    seed: int = 0
    weight_decay: float = 0.01
    clip_grad: float = 1.0
    figures_every: int = 20
    """epochs between two lines with figures; those that count are of the last epoch"""


class Localizer(Protocol):
    """A task: a model, how many items there are to learn from, their losses, and figures of what is held out."""

    model: nn.Module

    def __len__(self) -> int:
        """Return how many items there are."""

    def losses(self, items: np.ndarray, device: torch.device) -> dict[str, Tensor]:
        """Return the losses of a batch of items, "loss" among them."""

    def evaluate(self, device: torch.device, predictions: Path | None) -> dict[str, float]:
        """Return figures in percent, {} where no answers are known; write what was predicted, if a path is given."""


@dataclass(frozen=True)
class Fit:
    """A task, how it is learned, the folder, what its features and annotations are, and whether it may go on there."""

    task: Localizer
    config: LoopConfig
    out: Path
    made_by: dict[str, object]
    resume: bool = False


def claim(fit: Fit) -> None:
    """Write what a run depends on to OUT; raises InputError if it holds another, or one and this is no resume."""
    path, settings = fit.out / SETTINGS, {**asdict(fit.config), **fit.made_by}
    if path.exists():
        old = read_note(path, dict, "name another folder")
        differences = [
            f"{key} ({old.get(key)} -> {settings[key]})" for key in settings if old.get(key) != settings[key]
        ]
        if differences:
            raise InputError(
                f"{fit.out} holds a run with other settings: {', '.join(differences)}; name another folder"
            )
        if not fit.resume:
            raise InputError(f"{fit.out} holds a run already: add --resume to go on with it, or name another folder")
        return
    fit.out.mkdir(parents=True, exist_ok=True)
    write_json(path, settings)


def learn(fit: Fit, device: torch.device, say: Callable[[str], None], report: Report) -> dict[str, float]:
    """Learn to the last epoch, on from the checkpoint in OUT, and return the figures that are then written there.

    The order of items and the dropout of an epoch follow from the seed and its number, so a run that was stopped ends
    where one that was not does.
    """
    config, model = fit.config, fit.task.model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    first, rows = _restore(fit.out / CHECKPOINT, model, optimizer)
    for epoch in range(first, config.epochs):
        means = _one_epoch(fit, optimizer, epoch, device)
        rows.append(means)
        report(Stage("epochs", note=f"loss {means['loss']:.3f}"), epoch + 1, config.epochs)
        _save(fit.out, model, optimizer, rows)
        if (epoch + 1) % config.figures_every == 0 and epoch + 1 < config.epochs:
            say(_epoch_line(epoch + 1, config, means["loss"], fit.task.evaluate(device, None)))
    figures = fit.task.evaluate(device, fit.out / "predictions.json")
    if first < config.epochs:
        say(_epoch_line(config.epochs, config, rows[-1]["loss"], figures))
    write_json(fit.out / RESULT, {**{name: round(v, 4) for name, v in figures.items()}, "epochs": config.epochs})
    return figures


def _epoch_line(epoch: int, config: LoopConfig, loss: float, figures: dict[str, float]) -> str:
    told = ", ".join(f"{name} {value:.1f}" for name, value in figures.items())
    return f"epoch {epoch}/{config.epochs}  loss {loss:.4f}  {told}"


def _one_epoch(fit: Fit, optimizer: torch.optim.Optimizer, epoch: int, device: torch.device) -> dict[str, float]:
    config, model, total = fit.config, fit.task.model, len(fit.task)
    order = np.random.default_rng((config.seed, epoch)).permutation(total)
    torch.manual_seed(config.seed * 1_000_003 + epoch)
    batches = [order[start : start + config.batch_size] for start in range(0, total, config.batch_size)]
    sums: dict[str, float] = {}
    model.train()
    for number, items in enumerate(batches):
        left = 1 - (epoch + number / len(batches)) / config.epochs
        for group in optimizer.param_groups:
            group["lr"] = config.lr * left
        losses = fit.task.losses(items, device)
        optimizer.zero_grad()
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_grad)
        optimizer.step()
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value.item() * len(items) / total
    return sums


def _save(out: Path, model: nn.Module, optimizer: torch.optim.Optimizer, rows: list[dict[str, float]]) -> None:
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "rows": rows}
    atomic_write(out / CHECKPOINT, partial(torch.save, state))
    lines = [",".join(["epoch", *rows[0]])]
    lines += [",".join([str(n), *(f"{value:.6g}" for value in row.values())]) for n, row in enumerate(rows, 1)]
    write_text(out / LOSSES, "\n".join(lines) + "\n")


def _restore(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, list[dict[str, float]]]:
    """Load a checkpoint, if there is one; returns how many epochs are done, and their losses."""
    if not path.exists():
        return 0, []
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        line = str(error).partition("\n")[0]
        raise InputError(f"{path}: is no checkpoint of this run ({line}); delete it, and it starts again") from error
    return len(state["rows"]), state["rows"]
