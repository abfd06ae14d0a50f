"""Put measured figures into the README, between two markers: `python -m benchmarks.readme`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.record import RESULTS

BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"
README = RESULTS.parent.parent / "README.md"
# Result file -> heading, in the README's order. A record's figures with a target are shown, or all if none has one.
TITLES = {
    "tags": "Tags against gold classes (EPIC-KITCHENS narrations in Ego4D's form)",
    "dictionaries": "EgoNCE positives with dictionaries made without a taxonomy, against gold classes",
    "windows": "Windows against gold segments, mean IoU",
    "full_size": "The text side at Ego4D's size (an invented root)",
    "negatives": "Hard negatives, looked up",
    "cut": "Cutting",
    "profiles": "Stored clips",
    "peers": "Streams side by side, same clips, same decoding",
    "models_speed": "Models, forward and backward on one CPU thread, against others on equal weights",
    "spine": "All the way",
}


def write_figures(readme: Path = README, results: Path = RESULTS) -> None:
    """Replace what stands between the markers of `readme` by tables of the records in the folder `results`."""
    lines = []
    for name, title in TITLES.items():
        path = results / f"{name}.json"
        if path.exists():
            lines += _table(title, json.loads(path.read_text()))
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text("\n".join([before + BEGIN, "", *lines, END + after]))


def _table(title: str, record: Mapping) -> list[str]:
    aimed = [figure for figure in record["figures"] if figure.get("target")]
    rows = [
        f"| {figure['what']} | {figure.get('target', '')} | {figure['value']:,.6g} {figure['unit']} |"
        for figure in aimed or record["figures"]
    ]
    measured = f"Measured {record['date']} on {record['machine']}."
    return [f"### {title}", "", "| what | bar | figure |", "|---|---|---|", *rows, "", measured, ""]


if __name__ == "__main__":
    write_figures()
