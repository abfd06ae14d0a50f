"""Draw the stream beside its peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLUMNS = (
    ("per_core", "clips/s per core"),
    ("peak_mb", "peak memory, MB"),
    ("first_batch_sec", "first batch, s"),
    ("resume_sec", "resume at half an epoch, s"),
)


def draw(figures: Sequence[Mapping], out: Path) -> None:
    """Write bars of each peer, ours in red; a bar that is not there was not measured."""
    names = [found["what"] for found in figures][::-1]
    figure, axes = plt.subplots(1, len(COLUMNS), figsize=(14, 3.6), layout="constrained", sharey=True)
    for axis, (column, title) in zip(axes, COLUMNS, strict=True):
        values = [found.get(column, float("nan")) for found in figures][::-1]
        colors = ["C3" if name.startswith("EgoCurate") else "C0" for name in names]
        axis.bar_label(axis.barh(names, values, color=colors), fmt="%.3g", padding=3)
        axis.set(title=title)
        axis.margins(x=0.2)
    figure.savefig(out, dpi=110)
    plt.close(figure)
