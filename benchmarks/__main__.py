"""Measure the whole way and write the README's tables: `python -m benchmarks`; other measurements: benchmarks/*.py."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.readme import write_figures
from benchmarks.record import write_record
from benchmarks.spine import measure


def main() -> None:
    """Measure in a temporary folder and keep the figures."""
    with tempfile.TemporaryDirectory() as scratch:
        write_record("spine", measure(Path(scratch)))
    write_figures()


if __name__ == "__main__":
    main()
