"""What the command lines of all verbs have: a run, changes to its settings, and examples."""

from __future__ import annotations

import argparse

from egocurate.training.run.errors import OneLineParser

INCOMPLETE = 3
"""exit status where something was missing or bad, and was left out"""


def verb_parser(name: str, description: str, examples: str) -> OneLineParser:
    """Return a parser of `train.py NAME RUN [--set KEY=VALUE] ...`."""
    parser = OneLineParser(
        prog=f"train.py {name}",
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("run", metavar="RUN", help="folder of a training run")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of the run")
    return parser
