"""How long work tells how far it is."""

from collections.abc import Callable

Report = Callable[[str, int, int], None]
"""Called as `report(stage, done, total)`; `done` never falls within a stage."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""
