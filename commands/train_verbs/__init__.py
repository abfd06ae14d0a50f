"""Commands of train.py beside training: each reads its arguments, runs, and says what came out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from egocurate.commands.train_verbs.evaluate import evaluate
from egocurate.commands.train_verbs.features import features

VERBS: dict[str, Callable[[list[str]], int]] = {"eval": evaluate, "features": features}
"""By name: takes the arguments after it, returns the exit status, raises InputError for a user's mistake."""


def run_verb(name: str, arguments: list[str]) -> NoReturn:
    """Run a command and end the process with its exit status; raises InputError for a user's mistake."""
    try:
        status = VERBS[name](arguments)
    except KeyboardInterrupt:
        if os.environ.get("RANK", "0") == "0":
            print("stopped; repeat the line: features go on, an evaluation starts again", file=sys.stderr)
        raise SystemExit(130) from None
    raise SystemExit(status)
