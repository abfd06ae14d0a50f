"""How a run went, by step: each figure of its metrics.csv as a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from egocurate.commands.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axes, ticks
from egocurate.commands.report.panels import DrawnPanel
from egocurate.training.monitor.curves import CHANCE, SMOOTH_FROM, Curve, running_mean

MOST_POINTS = 400  # of a line: more than a screen shows
MOST_DOTS = 40
_SHARED = ("step", "lr", "clips_per_sec", "data_wait", "mfu", "mcq_inter", "mcq_intra")


@dataclass(frozen=True)
class Dot:
    """A point that a hovering reader asks about."""

    x: float
    y: float
    about: str


@dataclass(frozen=True)
class Line:
    """A figure: points of an SVG polyline, those before they were smoothed ("" if they are not), and its last value."""

    name: str
    points: str
    last: str
    place: int
    raw: str = ""
    dots: list[Dot] = field(default_factory=list)


@dataclass(frozen=True)
class Lines:
    """Figures by step, on one scale; `chance` is the height of what guessing gives, 0.0 for none."""

    lines: list[Line]
    axes: Axes
    chance: float = 0.0
    kind: str = "lines"


def curve_panels(curves: Mapping[str, Curve]) -> list[DrawnPanel]:
    """Draw the loss and its parts, EgoMCQ, the speed, what is waited for, and the learning rate, where there is one."""
    losses = {name: curve for name, curve in curves.items() if name not in _SHARED}
    egomcq = {name.removeprefix("mcq_"): curves[name] for name in ("mcq_inter", "mcq_intra") if name in curves}
    shares = {
        label: (curves[name][0], curves[name][1] * 100)
        for name, label in (("data_wait", "waiting for data"), ("mfu", "MFU"))
        if name in curves
    }
    panels = [
        _panel("Loss", losses, lambda value: f"{value:.3f}", "loss", low=None, note=_fell(losses)),
        _panel(
            "EgoMCQ, right answers", egomcq, _percent, "%", top=100.0, chance=CHANCE, note="Dashed: by guessing, 20 %."
        ),
        _panel(
            "Speed", _of(curves, "clips_per_sec"), lambda value: f"{rate(value)}/s", "clips/s", note=_median(curves)
        ),
        _panel("Share of the time", shares, _percent, "%", at_least=10.0),
        _panel("Learning rate", _of(curves, "lr"), lambda value: f"{value:.1e}", "learning rate"),
    ]
    return [panel for panel in panels if panel is not None]


def shared_panels(runs: Mapping[str, Mapping[str, Curve]]) -> list[DrawnPanel]:
    """Draw each figure that the runs have, a line for each run: first the loss, then EgoMCQ, then the others."""
    names = dict.fromkeys(name for curves in runs.values() for name in curves if name not in ("step", *_SHARED))
    percents = {"mcq_inter": "EgoMCQ inter-video, right answers", "mcq_intra": "EgoMCQ intra-video, right answers"}
    shares = {"data_wait": "Time waiting for data", "mfu": "MFU"}

    def of(name: str, times: float = 1.0) -> dict[str, Curve]:
        return {run: (curves[name][0], curves[name][1] * times) for run, curves in runs.items() if name in curves}

    panels = [_panel(name.replace("_", " ").capitalize(), of(name), "{:.3f}".format, name, low=None) for name in names]
    panels += [
        _panel(title, of(name), _percent, "%", top=100.0, chance=CHANCE, note="Dashed: by guessing, 20 %.")
        for name, title in percents.items()
    ]
    panels.append(_panel("Speed", of("clips_per_sec"), lambda value: f"{rate(value)}/s", "clips/s"))
    panels += [_panel(title, of(name, 100.0), _percent, "%", at_least=10.0) for name, title in shares.items()]
    panels.append(_panel("Learning rate", of("lr"), "{:.1e}".format, "learning rate"))
    return [panel for panel in panels if panel is not None]


def _of(curves: Mapping[str, Curve], name: str) -> dict[str, Curve]:
    return {name: curves[name]} if name in curves else {}


def rate(value: float) -> str:
    """Return a number of clips a second: whole, but for a few with a decimal."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _percent(value: float) -> str:
    return f"{value:.1f} %"


def _fell(losses: Mapping[str, Curve]) -> str:
    if "loss" not in losses:
        return ""
    values = losses["loss"][1]
    return f"From {values[0]:.3f} to {values[-1]:.3f}; lowest {np.nanmin(values):.3f}."


def _median(curves: Mapping[str, Curve]) -> str:
    if "clips_per_sec" not in curves:
        return ""
    note = f"Median {rate(float(np.median(curves['clips_per_sec'][1])))} clips/s"
    waits = f", {np.median(curves['data_wait'][1]):.1%} of the time waiting for data." if "data_wait" in curves else "."
    return note + waits


def _panel(
    title: str,
    curves: Mapping[str, Curve],
    shown: Callable[[float], str],
    unit: str,
    *,
    low: float | None = 0.0,
    top: float | None = None,
    at_least: float = 0.0,
    chance: float = 0.0,
    note: str = "",
) -> DrawnPanel | None:
    if not curves:
        return None
    values = np.concatenate([values[np.isfinite(values)] for _, values in curves.values()])
    last = max(float(steps[-1]) for steps, _ in curves.values()) or 1.0
    if not len(values):
        return None
    least = min(float(values.min()), 0.0) if low is None else low
    if low is None and values.min() > values.max() / 2:  # a loss that hardly moves would be a flat line far up
        least = float(values.min()) - 0.1 * float(np.ptp(values) or 1.0)
    most = top or max(float(values.max()) + 0.05 * (float(values.max()) - least), at_least) or least + 1.0
    scale = _Scale(last, least, most)
    lines = [_line(name, curve, place, shown, scale) for place, (name, curve) in enumerate(curves.items())]
    axes = Axes(
        x_marks=[(scale.x(at), f"{at:,.0f}") for at in ticks(0, last, most=5) if at == round(at)],
        y_marks=[(scale.y(at), _mark(at)) for at in ticks(least, most, most=5)],
        x_title="step",
        y_title=unit,
    )
    return DrawnPanel(title, [Lines(lines, axes, scale.y(chance) if chance else 0.0)], [note])


@dataclass(frozen=True)
class _Scale:
    """From steps 0..last and values low..high to units of the drawing."""

    last: float
    low: float
    high: float

    def x(self, step: float) -> float:
        return float(LEFT + step / self.last * (WIDTH - LEFT - RIGHT))

    def y(self, value: float) -> float:
        share = np.clip((value - self.low) / (self.high - self.low), 0.0, 1.0)
        return float(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM))

    def points(self, steps: np.ndarray, values: np.ndarray) -> str:
        return " ".join(f"{self.x(step):.1f},{self.y(value):.1f}" for step, value in zip(steps, values, strict=True))


def _line(name: str, curve: Curve, place: int, shown: Callable[[float], str], scale: _Scale) -> Line:
    steps, values = (one[np.isfinite(curve[1])] for one in curve)
    smooth = running_mean(values, len(values) // 60) if len(values) >= SMOOTH_FROM else values
    kept = np.unique(np.linspace(0, len(steps) - 1, MOST_POINTS).astype(np.int64)) if len(steps) else np.zeros(0, int)
    dots = [
        Dot(scale.x(step), scale.y(value), f"{name}, step {step:,.0f}: {shown(value)}")
        for step, value in zip(steps, values, strict=True)
    ]
    return Line(
        name=name.replace("_", " "),
        points=scale.points(steps[kept], smooth[kept]),
        last=shown(float(values[-1])) if len(values) else "",
        place=place % 4,
        raw=scale.points(steps[kept], values[kept]) if smooth is not values else "",
        dots=dots if len(dots) <= MOST_DOTS else [],
    )


def _mark(value: float) -> str:
    return f"{value:.0e}" if value and abs(value) < 0.005 else f"{value:g}"
