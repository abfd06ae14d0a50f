"""Put measured figures into the README, between two markers."""

from __future__ import annotations

import json
from pathlib import Path

BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"


def write_table(results: Path, readme: Path) -> None:
    """Replace what stands between the markers of `readme` by the figures in `results`."""
    record = json.loads(results.read_text())
    lines = [f"Measured on {record['date']}, {record['machine']}:", "", "| what | figure |", "|---|---|"]
    lines += [f"| {f['what']} | {f['value']:,.1f} {f['unit']} |" for f in record["figures"]]
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text("\n".join([before + BEGIN, "", *lines, "", END + after]))
