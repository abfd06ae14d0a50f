"""curves.png: how a run went, drawn from its metrics.csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

from egocurate.storage.atomic import atomic_write
from egocurate.training.monitor.read_metrics import read_metrics

COLORS = ("#1f5fa8", "#d1632a", "#3b8f5a", "#8a5aa8", "#8c6d2f", "#4d4d4d")
EGOMCQ = "mcq_"
SWAP_QUIZ = "swap_"
FIGURES = (EGOMCQ, SWAP_QUIZ, "test_")
"""how columns of a benchmark's figures begin (`tasks.evaluator.Evaluator.prefix`)"""
CHANCE = 20.0  # percent of right answers by guessing: EgoMCQ's questions have five options
SMOOTH_FROM = 60  # points; more than these are shown pale, with their running mean on top

Curve = tuple[np.ndarray, np.ndarray]


def draw_curves(table: Path, picture: Path) -> None:
    """Draw loss, figures, learning rate and speed over steps; nothing is drawn before there is a loss.

    Figures: EgoMCQ's, or those in percent of the task that the run is tuned for.
    """
    curves = read_curves(table)
    if "loss" not in curves:
        return
    figures = [name for name in curves if name.startswith(FIGURES) and not name.endswith("_sec")]
    figure = Figure(figsize=(12, 7), layout="constrained")
    FigureCanvasAgg(figure)
    right = "figures" if figures else "loss"
    panels = figure.subplot_mosaic([["loss"] * 3 + [right] * 3, ["rate"] * 2 + ["speed"] * 2 + ["shares"] * 2])
    for axes in panels.values():
        _plain(axes)

    shared = ("step", "lr", "clips_per_sec", "data_wait", "mfu")
    _draw_losses(
        panels["loss"],
        {name: curve for name, curve in curves.items() if name not in shared and not name.startswith(FIGURES)},
    )
    if figures:
        _draw_figures(panels["figures"], {name: curves[name] for name in figures})
    _draw_rate(panels["rate"], curves["lr"])
    _draw_speed(panels["speed"], curves["clips_per_sec"])
    _draw_shares(panels["shares"], curves)
    last = max(int(steps[-1]) for steps, _ in curves.values())
    for axes in panels.values():
        for line in axes.get_lines():
            if len(line.get_xdata()) == 1:  # no line without a second point
                line.set_marker("o")
        axes.set_xlim(0, last)
        axes.set_xlabel("step")
    atomic_write(picture, lambda file: figure.savefig(file, format="png", dpi=110))


def read_curves(table: Path) -> dict[str, Curve]:
    """Return (steps, values) of each column of a metrics.csv that has a value."""
    points: dict[str, list[tuple[int, float]]] = {}
    for row in read_metrics(table).rows:
        for name, cell in row.items():
            if cell and name != "step":
                points.setdefault(name, []).append((int(row["step"]), float(cell)))
    return {name: tuple(np.array(pairs).T) for name, pairs in points.items()}


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _draw_losses(axes: Axes, losses: dict[str, Curve]) -> None:
    for (name, (steps, values)), color in zip(losses.items(), _colors(len(losses)), strict=True):
        width = 2.0 if name == "loss" else 1.3
        if len(values) >= SMOOTH_FROM:
            axes.plot(steps, values, color=color, linewidth=0.7, alpha=0.35)
            values = running_mean(values, len(values) // 60)
        axes.plot(steps, values, color=color, linewidth=width, label=name)
    axes.set_title("loss", loc="left")
    if len(losses) > 1:
        axes.legend(frameon=False)


def _draw_figures(axes: Axes, curves: dict[str, Curve]) -> None:
    egomcq = any(name.startswith(EGOMCQ) for name in curves)
    for (name, (steps, values)), color in zip(curves.items(), COLORS, strict=False):
        what = name if name.startswith(SWAP_QUIZ) else name.partition("_")[2]
        label = f"{what.replace('_', ' ')}: {values[-1]:.1f} %, best {values.max():.1f} %"
        axes.plot(steps, values, color=color, marker="o", markersize=4, clip_on=False, label=label)
    if egomcq:
        axes.axhline(CHANCE, color="#8a8a8a", linewidth=1, linestyle=(0, (4, 3)), label="chance: 20 %")
    axes.set_ylim(0, 100)
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    axes.set_title("EgoMCQ, right answers" if egomcq else "test", loc="left")
    axes.legend(edgecolor="none", framealpha=0.9)


def _draw_rate(axes: Axes, curve: Curve) -> None:
    axes.plot(*curve, color=COLORS[0], clip_on=False)
    axes.set_title("learning rate", loc="left")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.1e}"))
    axes.set_ylim(bottom=0)


def _draw_speed(axes: Axes, curve: Curve) -> None:
    rates = curve[1]
    axes.plot(*curve, color=COLORS[0], linewidth=1.1)
    axes.set_ylim(0, float(np.percentile(rates, 98)) * 1.25)  # a burst after a wait would press the rest down
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_title(f"clips/s: median {np.median(rates):,.0f}", loc="left")


def _draw_shares(axes: Axes, curves: dict[str, Curve]) -> None:
    for name, label, color in (("data_wait", "waiting for data", COLORS[1]), ("mfu", "MFU", COLORS[2])):
        if name in curves:
            steps, values = curves[name]
            axes.plot(steps, values * 100, color=color, linewidth=1.1, label=f"{label}: median {np.median(values):.0%}")
    axes.set_ylim(0, 100)
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    axes.set_title("share of time, of the device's peak" if "mfu" in curves else "share of time", loc="left")
    axes.legend(frameon=False)


def _colors(count: int) -> list[str]:
    return [COLORS[i % len(COLORS)] for i in range(count)]


def running_mean(values: np.ndarray, reach: int) -> np.ndarray:
    """Return the mean of each value and of up to `reach` on either side."""
    total = np.cumsum(np.concatenate([[0.0], values]))
    place = np.arange(len(values))
    first, end = np.maximum(place - reach, 0), np.minimum(place + reach + 1, len(values))
    return (total[end] - total[first]) / (end - first)
