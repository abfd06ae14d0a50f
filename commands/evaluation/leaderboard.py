"""All benchmarks of a model in one table, others' published figures beside."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from egocurate.commands.evaluation.answers import Answer
from egocurate.commands.evaluation.published import Published

WIDTH = 118


class Line(NamedTuple):
    """A figure of the table: its benchmark, its name, its value, and the published ones of the same."""

    task: str
    figure: str
    value: float
    published: list[Published]


def lines_of(answers: Sequence[Answer], published: Sequence[Published]) -> list[Line]:
    """Return a line for each figure of each benchmark."""
    return [
        Line(answer.name, name, value, [one for one in published if (one.task, one.figure) == (answer.name, name)])
        for answer in answers
        for name, value in answer.values.items()
    ]


def leaderboard(title: str, lines: Sequence[Line], left_out: Mapping[str, str]) -> str:
    """Return the table: figures of a model by benchmark, what others published, and which benchmarks are left out.

    left_out: benchmark -> the reason.
    """
    tasks, figures = (max(map(len, column), default=0) for column in zip(*[line[:2] for line in lines], strict=True))
    before = f"  {'':{tasks}}  {'':{figures}}  {'':>8}  "
    shown, task = [f"all benchmarks, {title}"], ""
    if any(line.published for line in lines):
        shown.append(before + "published, theirs (docs: Evaluation)")
    for line in lines:
        value = "-" if math.isnan(line.value) else f"{line.value:.2f}"
        begin = f"  {line.task if line.task != task else '':{tasks}}  {line.figure:{figures}}  {value:>8}  "
        theirs = "; ".join(map(str, line.published))
        shown += _wrapped(begin, theirs)
        task = line.task
    return "\n".join([*shown, *(f"  {name}: left out: {reason}" for name, reason in left_out.items())])


def _wrapped(begin: str, text: str) -> list[str]:
    parts = textwrap.wrap(text, max(20, WIDTH - len(begin))) or [""]
    return [(begin + parts[0]).rstrip(), *(" " * len(begin) + part for part in parts[1:])]
