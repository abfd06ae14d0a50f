"""Figures of a benchmark as lines to print."""

from __future__ import annotations


def accuracies(figures: dict[str, float]) -> str:
    """Return a line for each figure in percent."""
    width = max(map(len, figures), default=0)
    return "\n".join(f"  {name:<{width}}  {value:6.2f} %" for name, value in figures.items())


def mean_precision(figures: dict[str, float]) -> str:
    """Return the line of Charades-Ego."""
    return f"  mAP  {figures['map']:6.2f}"


def directions(figures: dict[str, float]) -> str:
    """Return the table of EPIC-KITCHENS-100's retrieval: each metric in both directions and their mean."""
    lines = ["         V->T    T->V     avg"]
    for before, after in (("", ""), ("dual_", ", dual softmax")):
        for name, title in (("map", "mAP"), ("ndcg", "nDCG")):
            row = [figures.get(f"{before}{name}_{side}") for side in ("v2t", "t2v", "avg")]
            if None not in row:
                lines.append(f"  {title:<5}" + "".join(f"{value:7.2f} " for value in row).rstrip() + after)
    return "\n".join(lines)


def recalls(figures: dict[str, float]) -> str:
    """Return the table of retrieval of videos: recalls in percent and the median rank, in both directions."""
    lines = [f"  {'':<20}" + "".join(f"{title:>8}" for title in ("R@1", "R@5", "R@10", "median"))]
    for before, what in (("", ""), ("dual_softmax_", ", dual softmax")):
        for side, title in (("t2v", "T->V"), ("v2t", "V->T")):
            if f"{before}{side}_r@1" in figures:
                row = [figures[f"{before}{side}_{name}"] for name in ("r@1", "r@5", "r@10", "median_rank")]
                lines.append(f"  {title + what:<20}" + "".join(f"{value:8.2f}" for value in row))
    return "\n".join(lines)
