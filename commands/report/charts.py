"""What the charts of the page are drawn from: bars, shares of a whole, columns over an axis, and counts by rank.

Every chart function takes the values of several runs and returns a drawing for each (None where a run has nothing to
draw), all on one scale of what is measured, so that charts which stand next to each other can be compared.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 340, 170  # units of a drawing with axes
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 34  # what is kept around it for the axes
CURVE_POINTS = 120
LEAST_RANKS = 12

Pairs = Iterable[tuple[object, float]]


@dataclass(frozen=True)
class Bar:
    """One bar: `share` of the longest, or of the whole, 0..1; `about` is what a hovering reader sees."""

    label: str
    count: float
    share: float
    text: str
    about: str = ""


@dataclass(frozen=True)
class Bars:
    """Bars one below the other, each with its figure."""

    bars: list[Bar]
    kind: str = "bars"


@dataclass(frozen=True)
class Parts:
    """The parts of one whole, side by side."""

    bars: list[Bar]
    kind: str = "parts"


@dataclass(frozen=True)
class Axes:
    """Positions, in units of the drawing, and texts of the marks on both axes, and what the axes count."""

    x_marks: list[tuple[float, str]]
    y_marks: list[tuple[float, str]]
    x_title: str
    y_title: str


@dataclass(frozen=True)
class Column:
    """A column in units of the drawing, the count that it stands for, and what a hovering reader sees."""

    x: float
    y: float
    width: float
    height: float
    count: int
    about: str


@dataclass(frozen=True)
class Columns:
    """Counts as columns over an axis."""

    columns: list[Column]
    axes: Axes
    kind: str = "columns"


@dataclass(frozen=True)
class Curve:
    """Counts by rank, both logarithmic: the points of an SVG polyline."""

    points: str
    axes: Axes
    kind: str = "curve"


def bars(several: Sequence[Pairs], unit: str = "") -> list[Bars | None]:
    """Draw (label, value) pairs as bars, in their order; a value is printed as a count, or with its `unit`."""
    runs = [list(pairs) for pairs in several]
    longest = max((value for pairs in runs for _, value in pairs), default=0) or 1
    return [
        Bars(
            [
                Bar(str(label), value, value / longest, f"{value:,.2f} {unit}" if unit else f"{value:,.0f}")
                for label, value in pairs
            ]
        )
        if pairs
        else None
        for pairs in runs
    ]


def parts(several: Sequence[Pairs]) -> list[Parts | None]:
    """Draw (label, count) pairs as the parts of one whole; None where nothing is counted."""
    drawings: list[Parts | None] = []
    for pairs in (list(pairs) for pairs in several):
        whole = sum(count for _, count in pairs)
        of_whole = [Bar(str(label), n, n / whole, f"{n / whole:.1%}", f"{n:,}") for label, n in pairs if whole]
        drawings.append(Parts(of_whole) if of_whole else None)
    return drawings


def histograms(
    several: Sequence[np.ndarray], unit: str = "seconds", of: str = "clips", columns: int = 24, top: float | None = None
) -> list[Columns | None]:
    """Count values float[N] >= 0 in equal steps up to `top`; the last column holds what lies beyond.

    Without `top` it is the 99th percentile of all runs. The steps begin at 0, or at the least value where that would
    leave a third of the columns empty.
    """
    values = np.concatenate([*several, np.zeros(0)])
    if not len(values):
        return [None] * len(several)
    reach = top or float(np.quantile(values, 0.99)) or 1.0
    least = float(values.min())
    low = least if reach / 3 < least < reach else 0.0
    edges = np.linspace(low, reach, columns + 1)
    spans = [f"{start:.2f} to {end:.2f} {unit}" for start, end in itertools.pairwise(edges)]
    if values.max() > reach:
        spans[-1] = f"{edges[-2]:.2f} {unit} and more"
    x_marks = [((at - low) / (reach - low), f"{at:g}") for at in ticks(low, reach, most=6)]
    return [
        _columns(np.histogram(np.minimum(one, reach), edges)[0], spans, x_marks, unit, of) if len(one) else None
        for one in several
    ]


def whole_numbers(several: Sequence[np.ndarray], unit: str, of: str = "clips") -> list[Columns | None]:
    """Count whole numbers int[N] >= 0, a column for each from 0 to the greatest of all runs."""
    greatest = max((int(one.max()) for one in several if len(one)), default=0)
    step = max(1, round(greatest / 12))
    x_marks = [((value + 0.5) / (greatest + 1), str(value)) for value in range(0, greatest + 1, step)]
    spans = [f"{value} {unit}" for value in range(greatest + 1)]
    return [
        _columns(np.bincount(one, minlength=greatest + 1), spans, x_marks, unit, of) if len(one) else None
        for one in several
    ]


def rank_curves(several: Sequence[np.ndarray], of: str) -> list[Curve | None]:
    """Draw counts against their rank, both logarithmic; None for fewer than LEAST_RANKS classes that occur."""
    runs = [np.sort(one[one > 0])[::-1] for one in map(np.asarray, several)]
    last = max((len(one) for one in runs), default=0)
    if last < LEAST_RANKS:
        return [None] * len(runs)
    first = max(int(one[0]) for one in runs if len(one))
    x_scale = (WIDTH - LEFT - RIGHT) / np.log10(last)
    y_scale = (HEIGHT - TOP - BOTTOM) / max(np.log10(first), 0.1)

    def x(rank: float) -> float:
        return float(LEFT + np.log10(rank) * x_scale)

    def y(count: float) -> float:
        return float(HEIGHT - BOTTOM - np.log10(count) * y_scale)

    axes = Axes(
        x_marks=[(x(ten), _short(ten)) for ten in _tens(last)],
        y_marks=[(y(ten), _short(ten)) for ten in _tens(first)],
        x_title="rank of the class",
        y_title=of,
    )
    drawings: list[Curve | None] = []
    for counts in runs:
        if len(counts) < LEAST_RANKS:
            drawings.append(None)
            continue
        ranks = np.unique(np.geomspace(1, len(counts), CURVE_POINTS).round().astype(np.int64))
        drawings.append(Curve(" ".join(f"{x(rank):.1f},{y(counts[rank - 1]):.1f}" for rank in ranks), axes))
    return drawings


def _columns(
    counts: np.ndarray, spans: Sequence[str], x_marks: list[tuple[float, str]], x_title: str, of: str
) -> Columns:
    """Draw counts int[C]; `x_marks` have positions 0..1."""
    most = int(counts.max()) or 1
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    slot = across / len(counts)
    drawn = [
        Column(
            x=LEFT + i * slot + 0.5,
            y=HEIGHT - BOTTOM - count / most * up,
            width=max(slot - 1, 0.5),
            height=count / most * up,
            count=int(count),
            about=f"{span}: {count:,} {of}",
        )
        for i, (count, span) in enumerate(zip(counts, spans, strict=True))
    ]
    axes = Axes(
        x_marks=[(LEFT + at * across, text) for at, text in x_marks],
        y_marks=[(HEIGHT - BOTTOM - at / most * up, f"{at:,.0f}") for at in ticks(0, most, most=4) if at == round(at)],
        x_title=x_title,
        y_title=of,
    )
    return Columns(drawn, axes)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most `most` + 1 round numbers from low to high, in steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    # Plus nothing, or the first would be written "-0".
    return [float(round(at * step, 9)) + 0.0 for at in np.arange(first, last + 1)]


def _tens(top: int) -> list[int]:
    return [10**power for power in range(len(str(top)))]


def _short(ten: int) -> str:
    """Return a power of ten as 100, 10k, 1M."""
    return f"{ten // 1_000_000}M" if ten >= 1_000_000 else f"{ten // 1_000}k" if ten >= 1_000 else str(ten)
