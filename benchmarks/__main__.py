"""Run every measurement, write benchmarks/results/<name>.json and the table of the README: `python -m benchmarks`."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.readme import write_table
from benchmarks.spine import measure

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure in a temporary folder and keep the figures."""
    with tempfile.TemporaryDirectory() as scratch:
        figures = measure(Path(scratch))
    record = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "spine.json").write_text(json.dumps(record, indent=1) + "\n")
    write_table(RESULTS / "spine.json", RESULTS.parent.parent / "README.md")
    for figure in figures:
        print(f"{figure['what']:<70} {figure['value']:>12,.1f} {figure['unit']}")


if __name__ == "__main__":
    main()
