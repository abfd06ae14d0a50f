"""How long work tells how far it is."""

from collections.abc import Callable

Report = Callable[[str, int, int], None]
"""Called as `report(stage, done, total)`; `done` falls only where a stage starts over."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""
