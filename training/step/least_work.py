"""The one rule for how a batch that is too large goes through a model: in parts, or with layers worked out again."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Literal, NamedTuple

from egocurate.errors import InputError
from egocurate.training.config.train_config import TrainConfig

SplitsBy = Literal["rows", "embeddings", "tokens", "whole"]


class Split(NamedTuple):
    """In how many parts a rank's batch goes through the model, whether layers are worked out again, what that takes."""

    micro_batches: int
    recompute: bool
    bytes: float
    fits: bool
    work: float
    """over that of a step in one go"""


def least_work(
    config: TrainConfig, anchors: int, available: float, splits_by: SplitsBy, taken: Callable[[int, bool], float]
) -> Split:
    """Return the split of least work in which a rank's anchors fit into so many bytes; if none does, the smallest.

    taken: bytes of a step on a batch in so many parts, with layers worked out again or not; fewer for more parts. What
    the config asks for is the least that is taken. Micro-batches of what splits by rows cost nothing, else a second
    forward pass (`step.micro_batches`), and so does checkpointing; of equal work the way with fewer parts is taken.
    """
    smallest = None
    for recompute, counts in _ways(config, anchors, splits_by):

        def split(count: int, recompute: bool = recompute) -> Split:
            needed = taken(count, recompute)
            return Split(count, recompute, needed, needed <= available, _work(recompute, count, splits_by))

        least = bisect_left(counts, True, key=lambda count, at=split: at(count).fits)
        found = split(counts[min(least, len(counts) - 1)])
        if found.fits:
            return found
        if smallest is None or found.bytes < smallest.bytes:
            smallest = found
    return smallest


def _ways(config: TrainConfig, anchors: int, splits_by: SplitsBy) -> list[tuple[bool, list[int]]]:
    """Return (recompute, ascending numbers of micro-batches) in the order of their work, from what is asked for."""
    asked = config.micro_batches or 1
    counts = [count for count in range(asked, anchors + 1) if anchors % count == 0]
    if not counts or counts[0] > asked:
        raise InputError(f"micro_batches={asked} does not divide the {anchors} anchors of a GPU")
    if splits_by == "whole":
        if asked > 1:
            raise InputError(f"{config.system} learns from a whole batch at once: leave out micro_batches={asked}")
        counts = counts[:1]
    recompute = [True] if config.activation_checkpointing else [False, True]
    in_one_go, in_parts = [count for count in counts if count == 1], [count for count in counts if count > 1]
    ways = [(one, part) for one in recompute for part in (in_one_go, in_parts) if part]
    return sorted(ways, key=lambda way: (_work(way[0], way[1][0], splits_by), way[1][0]))


def _work(recompute: bool, micro_batches: int, splits_by: SplitsBy) -> float:
    """Return the work of a step over that of a plain one: each forward pass more is a third."""
    return 1 + (recompute + (micro_batches > 1 and splits_by != "rows")) / 3
