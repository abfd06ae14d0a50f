"""The acceptance run on one GPU, without a network: `python -m benchmarks.gpu --minutes 9 --out OUT`.

Called again with the same OUT it goes on with what is not done. README.md beside this file says what it needs.
"""

from __future__ import annotations

import argparse
import signal
import sys

from benchmarks.gpu.driver import run_parts, start_part
from benchmarks.gpu.machine import describe, missing_packages
from benchmarks.gpu.parts import NAMES, PARTS
from benchmarks.gpu.results import Results
from benchmarks.gpu.setup import RESULTS, SUMMARY, add_options, setup_of
from benchmarks.gpu.summary import summary
from egocurate.errors import InputError
from egocurate.storage.atomic import write_text


def main() -> None:
    """Run parts within the minutes, and write the summary."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=9.0, help="end before that (default 9)")
    parser.add_argument("--only", choices=NAMES, action="append", help="run this part; may be repeated")
    parser.add_argument("--again", choices=NAMES, action="append", help="forget what is known of this part")
    add_options(parser)
    given = parser.parse_args()
    setup = setup_of(given)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that the part that runs ends as well
    try:
        if missing := missing_packages():
            raise InputError(f"not installed here: {', '.join(missing)}: see benchmarks/gpu/README.md")
        if not setup.shards("train").is_dir():
            raise InputError(f"{setup.pack}: no pack there: python -m benchmarks.gpu.pack --to {given.pack}")
        results = Results(setup.out / RESULTS)
        results.describe(describe(setup))
        for name in given.again or ():
            results.forget(name)
    except InputError as error:
        sys.exit(f"benchmarks.gpu: {error}")
    parts = [part for part in PARTS if not given.only or part.name in given.only]
    left = run_parts(parts, setup.out, given.minutes, start_part(setup))
    text = summary(Results(setup.out / RESULTS))
    write_text(setup.out / SUMMARY, text)
    print(text)
    if left:
        print(f"not complete: {', '.join(left)}; the same line goes on")


if __name__ == "__main__":
    main()
