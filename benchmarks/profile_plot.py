"""Draw bytes of a clip against clips decoded per second and core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def draw(points: Sequence[Mapping], out: Path) -> None:
    """Write the plane for 4 and for 16 frames of a clip; named profiles and baselines bear their names."""
    figure, axes = plt.subplots(1, 2, figsize=(13, 6), layout="constrained", sharex=True)
    for axis, rate, title in zip(axes, ("value", "frames_16"), ("4 frames", "16 frames"), strict=True):
        for point in points:
            named, baseline = "profile" in point, "setting" not in point
            look = ("C3", "*", 160) if named else ("k", "s", 45) if baseline else (_color(point["what"]), "o", 16)
            axis.scatter(point["bytes"] / 1000, point[rate], color=look[0], marker=look[1], s=look[2], zorder=3 * named)
            if named or baseline:
                label = point["what"].partition(",")[0]
                axis.annotate(label, (point["bytes"] / 1000, point[rate]), xytext=(7, 5), textcoords="offset points")
        axis.set(xscale="log", yscale="log", xlabel="kB per clip", title=f"{title} of 224 pixels")
        axis.grid(alpha=0.3, which="both")
    axes[0].set_ylabel("clips decoded per second and core")
    for name, color in (("8 fps", "C0"), ("16 fps", "C2"), ("native rate", "C1"), ("pictures", "C4")):
        axes[1].scatter([], [], color=color, s=16, label=name)
    axes[1].legend(loc="lower left")
    figure.savefig(out, dpi=110)
    plt.close(figure)


def _color(name: str) -> str:
    if "jpg" in name or "webp" in name:
        return "C4"
    return {"8": "C0", "16": "C2", "native": "C1"}[name.partition(" ")[0]]
