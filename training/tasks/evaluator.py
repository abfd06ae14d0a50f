"""What the training loop asks of a benchmark that is answered before, during and after training."""

from __future__ import annotations

from typing import Protocol


class Evaluator(Protocol):
    """A benchmark of the model in training; one that was not asked for gives no figures."""

    title: str
    """the benchmark, as a run's lines and curves name it"""
    prefix: str
    """how its columns in metrics.csv begin: "mcq" for EgoMCQ's, "swap" for the swap quiz's, "test" for the rest"""

    def evaluate(self) -> tuple[dict[str, float], list[str]]:
        """Return figures by name, in percent but for names with a unit (`error_sec`), and what was left out, named.

        Every rank calls this, and all get the same. The model comes back in the mode in which it was.
        """
