"""Measure the whole way and write the pages of figures: `python -m benchmarks`; other measurements: benchmarks/*.py."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.record import write_record
from benchmarks.spine import measure
from benchmarks.write_figures import write_figures


def main() -> None:
    """Measure in a temporary folder and keep the figures."""
    with tempfile.TemporaryDirectory() as scratch:
        write_record("spine", measure(Path(scratch)))
    write_figures()


if __name__ == "__main__":
    main()
