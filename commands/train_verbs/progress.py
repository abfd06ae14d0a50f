"""How far a command is: on a terminal one line that is rewritten, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time

from egocurate.progress import Report, silent
from egocurate.training.distributed.ranks import Ranks

REWRITE_SEC, LINE_SEC = 0.2, 10.0


def progress(ranks: Ranks) -> Report:
    """Return a `report(stage, done, total)` that writes to stderr, of the first rank only."""
    return _Line() if ranks.main else silent


class _Line:
    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._stage, self._began, self._said = "", 0.0, 0.0
        self._open = False  # a line of the terminal that may be rewritten

    def __call__(self, stage: str, done: int, total: int) -> None:
        now, ended = time.monotonic(), done == total > 0
        if stage != self._stage:
            if self._open:
                print(file=sys.stderr)
            self._stage, self._began, self._said, self._open = str(stage), now, now, False
        due = now - self._said >= (REWRITE_SEC if self._terminal else LINE_SEC)
        if not (due or (ended and self._terminal)):
            return
        self._said = now
        note = getattr(stage, "note", "") or self._pace(done, total, now - self._began)
        line = f"{stage}: {note}"
        if self._terminal:
            print(f"\r{line}\x1b[K", end="\n" if ended else "", file=sys.stderr, flush=True)
            self._open = not ended
        else:
            print(line, file=sys.stderr, flush=True)

    def _pace(self, done: int, total: int, seconds: float) -> str:
        rate = done / seconds if seconds else 0.0
        left = f", {(total - done) / rate:,.0f} s left" if rate and done < total else ""
        return f"{done:,} of {total:,}, {rate:,.1f}/s{left}"
