"""What a person sees while a command runs: bars on a terminal, plain lines elsewhere; a summary as table or JSON."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from egocurate.progress import Report, StageClock, describe, silent
from egocurate.storage.redacted import redacted, redacted_values

QUIET_SEC = 2.0  # shorter stages need no bar
LINE_EVERY_SEC = 10.0  # between two lines of a stage where there is no terminal

Say = Callable[[str], None]


@contextmanager
def progress(enabled: bool = True) -> Iterator[Report]:
    """Give a `report(stage, done, total)` that writes to stderr: a bar for each long stage, or log lines."""
    if not enabled:
        yield silent
    elif sys.stderr.isatty():
        # Rich is imported where there is something to draw: it takes longer than all of `curate --help`.
        from rich.console import Console

        from egocurate.progress_bars import StageBars

        with StageBars(Console(stderr=True), quiet_sec=QUIET_SEC) as bars:
            yield bars.report
    else:
        yield _lines()


def say(line: str) -> None:
    """Print a line at once, so that a file or a pipe shows it while the rest is under way."""
    print(line, flush=True)


@contextmanager
def screen() -> Iterator[tuple[Say, Report]]:
    """Give `say(line)`, whose lines stay on stdout, and a `report(stage, done, total)` of which nothing stays.

    On a terminal the stage under way has a bar below the lines; elsewhere the lines are all there is.
    """
    if not sys.stdout.isatty():
        yield say, silent
        return
    from rich.console import Console

    from egocurate.progress_bars import StageBars

    console = Console()
    with StageBars(console, one_line=True) as bars:
        yield (lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True)), bars.report


def _lines() -> Report:
    """Write a line of a stage every ten seconds, and one when it has ended, if it was a long one."""
    clocks: defaultdict[str, StageClock] = defaultdict(StageClock)
    written: dict[str, float] = {}  # when a stage had its last line, in seconds since its beginning

    def report(stage: str, done: int, total: int) -> None:
        clock = clocks[stage]
        clock.add(done)
        last = written.get(stage, 0.0)
        if last > clock.seconds:  # the stage has started over
            last = 0.0
        ended = done >= total > 0
        worth_it = total > 1 and clock.seconds > QUIET_SEC if ended else clock.seconds - last >= LINE_EVERY_SEC
        if not worth_it:
            return
        written[stage] = clock.seconds
        words = describe(stage, done, total, clock.rate)
        print(f"{stage}: {words}" if words else stage, file=sys.stderr, flush=True)

    return report


def print_summary(title: str, rows: dict[str, object], as_json: bool) -> None:
    """Print a run's summary on stdout; dicts and lists are indented in the table."""
    if as_json:
        print(json.dumps(redacted_values(rows)))
        return
    print(f"\n{title}")
    for name, value in rows.items():
        if isinstance(value, dict | list) and not value:
            print(f"  {name.replace('_', ' '):<28} none")
        elif isinstance(value, dict):
            print(f"  {name.replace('_', ' ')}")
            for inner, number in value.items():
                print(f"    {inner.replace('_', ' '):<26} {_show(number)}")
        elif isinstance(value, list):
            print(f"  {name.replace('_', ' ')}")
            for line in value:
                print(f"    {redacted(str(line))}")
        else:
            print(f"  {name.replace('_', ' '):<28} {_show(value)}")


def _show(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return redacted(str(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
