"""What figures of the acceptance run have to reach, and whether they do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """A least or a most value of a figure; `goal` is hoped for beyond it, `only_on` names the device that it is of."""

    least: float | None = None
    most: float | None = None
    goal: float | None = None
    only_on: str = ""

    def met(self, value: float) -> bool:
        """Tell whether a value is within the bar."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        """Say the bar."""
        words = [f">= {self.least:,g}"] if self.least is not None else []
        words += [f"<= {self.most:,g}"] if self.most is not None else []
        words += [f"goal {self.goal:,g}"] if self.goal is not None else []
        return ", ".join(words)


MFU, DATA_WAIT, HEADSPACE = Bar(least=0.40, goal=0.50), Bar(most=0.03), Bar(least=0.97)
CLIPS_PER_SEC = {
    "egovlp": Bar(least=500, goal=630, only_on="H200"),
    "egovlpv2": Bar(least=150, goal=195, only_on="H200"),
    "videomae": Bar(least=1300, goal=1700, only_on="H200"),
}
"""Of the step alone, by recipe."""
