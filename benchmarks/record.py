"""Keep measured figures: benchmarks/results/<name>.json with the date and the machine."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def figure(what: str, value: float, unit: str, target: str | None = None) -> dict[str, object]:
    """Return one figure, to three decimals; `target` says in words what it should be."""
    found: dict[str, object] = {"what": what, "value": round(float(value), 3), "unit": unit}
    return found if target is None else found | {"target": target}


def write_record(name: str, figures: Sequence[Mapping[str, object]], folder: Path = RESULTS) -> Path:
    """Write the figures (what, value, unit and perhaps target) of a benchmark, print them, and return the file."""
    record = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "figures": list(figures),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    for row in figures:
        target = f"  ({row['target']})" if "target" in row else ""
        print(f"{row['what']:<70} {row['value']:>12,.6g} {row['unit']}{target}")
    return path


def merge_record(name: str, figures: Sequence[Mapping[str, object]], folder: Path = RESULTS) -> Path:
    """Write figures into a record in place of those of the same `what`, beside the others that it has."""
    path = folder / f"{name}.json"
    earlier = json.loads(path.read_text())["figures"] if path.exists() else []
    new = {row["what"] for row in figures}
    return write_record(name, [row for row in earlier if row["what"] not in new] + list(figures), folder)
