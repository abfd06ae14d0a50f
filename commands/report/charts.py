"""What the charts of the page are drawn from: bars, columns, shares of a whole, and a rank-frequency curve."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

CURVE_POINTS = 120
LEAST_RANKS = 12
CURVE_WIDTH, CURVE_HEIGHT = 300, 130  # units of the drawing
_LEFT, _BOTTOM = 38, 18


@dataclass(frozen=True)
class Bar:
    """One bar or column: `share` of the longest, 0..1; `about` is what a hovering reader sees."""

    label: str
    count: float
    share: float
    text: str
    about: str = ""


@dataclass(frozen=True)
class Curve:
    """Counts by rank on logarithmic axes: `points` of an SVG polyline, and (position, text) of the marks on each axis.

    An axis position is in units of the drawing, CURVE_WIDTH x CURVE_HEIGHT.
    """

    points: str
    x_marks: list[tuple[float, str]]
    y_marks: list[tuple[float, str]]


def bars(pairs: Iterable[tuple[object, float]], unit: str = "") -> list[Bar]:
    """Turn (label, value) pairs into bars, in their order; a value is printed as a count, or with its `unit`."""
    pairs = list(pairs)
    longest = max((value for _, value in pairs), default=0) or 1
    return [
        Bar(str(label), value, value / longest, f"{value:,.2f} {unit}" if unit else f"{value:,.0f}")
        for label, value in pairs
    ]


def shares(pairs: Iterable[tuple[str, float]]) -> list[Bar]:
    """Turn (label, count) pairs into the parts of one whole; empty where nothing is counted."""
    pairs = list(pairs)
    whole = sum(count for _, count in pairs)
    return [Bar(label, count, count / whole, f"{count / whole:.1%}", f"{count:,}") for label, count in pairs if whole]


def histogram(values: np.ndarray, columns: int = 24, unit: str = "s") -> list[Bar]:
    """Count values float[N] >= 0 in equal steps up to their 99th percentile; the last column holds what lies beyond.

    The steps begin at 0, or at the least value where that would leave a third of the columns empty.
    """
    if not len(values):
        return []
    top = float(np.quantile(values, 0.99)) or 1.0
    least = float(values.min())
    low = least if top / 3 < least < top else 0.0
    counts, edges = np.histogram(np.minimum(values, top), bins=columns, range=(low, top))
    spans = [f"{start:.2f} to {end:.2f} {unit}" for start, end in itertools.pairwise(edges)]
    if values.max() > top:
        spans[-1] = f"{edges[-2]:.2f} {unit} and more"
    most = counts.max()
    return [
        Bar(f"{edge:.2g}", int(count), count / most, f"{count:,}", f"{span}: {count:,}")
        for edge, span, count in zip(edges[:-1], spans, counts, strict=True)
    ]


def whole_numbers(values: np.ndarray) -> list[Bar]:
    """Count whole numbers int[N] >= 0, one column for each from 0 to the greatest."""
    counts = np.bincount(values) if len(values) else np.zeros(0, np.int64)
    return [
        Bar(str(value), int(count), count / counts.max(), f"{count:,}", f"{value}: {count:,}")
        for value, count in enumerate(counts)
    ]


def rank_curve(counts: Sequence[int] | np.ndarray) -> Curve | None:
    """Draw counts against their rank, both on logarithmic axes; None for fewer than LEAST_RANKS classes that occur."""
    ordered = np.sort(np.asarray(counts))[::-1]
    ordered = ordered[ordered > 0]
    if len(ordered) < LEAST_RANKS:
        return None
    ranks = np.unique(np.geomspace(1, len(ordered), CURVE_POINTS).round().astype(np.int64))
    x_scale = (CURVE_WIDTH - _LEFT - 8) / np.log10(len(ordered))
    y_scale = (CURVE_HEIGHT - _BOTTOM - 8) / max(np.log10(ordered[0]), 0.1)

    def x(rank: float) -> float:
        return float(_LEFT + np.log10(rank) * x_scale)

    def y(count: float) -> float:
        return float(CURVE_HEIGHT - _BOTTOM - np.log10(count) * y_scale)

    points = " ".join(f"{x(rank):.1f},{y(ordered[rank - 1]):.1f}" for rank in ranks)
    return Curve(
        points=points,
        x_marks=[(x(ten), _short(ten)) for ten in _tens(len(ordered))],
        y_marks=[(y(ten), _short(ten)) for ten in _tens(int(ordered[0]))],
    )


def _tens(top: int) -> list[int]:
    return [10**power for power in range(len(str(top)))]


def _short(ten: int) -> str:
    """Return a power of ten as 100, 10k, 1M."""
    return f"{ten // 1_000_000}M" if ten >= 1_000_000 else f"{ten // 1_000}k" if ten >= 1_000 else str(ten)
