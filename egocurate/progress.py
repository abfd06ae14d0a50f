"""How long work tells how far it is."""

from collections.abc import Callable

Report = Callable[[str, int, int], None]
"""Called as `report(stage, done, total)`; `done` falls only where a stage starts over."""


class Stage(str):
    """The name of a stage with what else there is to say of it now, in `note`; equal to the bare name."""

    __slots__ = ("note",)

    def __new__(cls, name: str, note: str = "") -> "Stage":
        """Name a stage."""
        stage = super().__new__(cls, name)
        stage.note = note
        return stage


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""
