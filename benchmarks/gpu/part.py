"""One part of the run in this process, as the driver starts it: `python -m benchmarks.gpu.part NAME --out OUT`."""

from __future__ import annotations

import argparse
import sys

from benchmarks.gpu.driver import AGAIN
from benchmarks.gpu.parts import NAMES, cases_of
from benchmarks.gpu.results import Results
from benchmarks.gpu.setup import RESULTS, add_options, setup_of


def main() -> None:
    """Run what is not known yet of a part; exit status 3 asks to be started again for the rest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--seconds", type=float, default=600.0, help="for a part that takes what time there is")
    add_options(parser)
    given = parser.parse_args()
    setup = setup_of(given, given.seconds)
    setup.work.mkdir(parents=True, exist_ok=True)
    results = Results(setup.out / RESULTS)
    sys.exit(0 if results.run(given.name, cases_of(given.name, setup, results)) else AGAIN)


if __name__ == "__main__":
    main()
