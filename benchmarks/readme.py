"""Put measured figures into the README, between two markers: `python -m benchmarks.readme`."""

from __future__ import annotations

import json
import re
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
    "shuffle": "Quality of the order",
    "models_speed": "Models, forward and backward on one CPU thread, against others on equal weights",
    "ablation": "What each part of the method brings, on invented videos (tiny recipe, unseen videos)",
    "spine": "All the way",
}


# Records of which rows have more than a figure: heading of a column -> its key.
COLUMNS = {
    "peers": {
        "clips/s, 2 workers": "value",
        "per core": "per_core",
        "peak MB": "peak_mb",
        "first batch, s": "first_batch_sec",
        "resume at half an epoch, s": "resume_sec",
        "same tensors after it": "same tensors, 2 workers",
        "with other workers": "same tensors, 1 worker",
    },
    "ablation": {"EgoMCQ, mean of seeds, %": "value", "standard deviation": "spread"},
}
# Records of which other rows tell more than those with a target: what these rows look like.
SHOWN = {"shuffle": r"^3,.*(two anchors of one neighbourhood|from one video, mean|between clips of one video)"}
PICTURES = {"peers": "docs/peers.png", "shuffle": "docs/shuffle.png"}


def write_figures(readme: Path = README, results: Path = RESULTS) -> None:
    """Replace what stands between the markers of `readme` by tables of the records in the folder `results`."""
    lines = []
    for name, title in TITLES.items():
        path = results / f"{name}.json"
        if path.exists():
            record = json.loads(path.read_text())
            lines += [f"### {title}", "", *_rows(name, record), ""]
            lines += [f"![{name}]({PICTURES[name]})", ""] if name in PICTURES else []
            lines += [f"Measured {record['date']} on {record['machine']}.", ""]
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text("\n".join([before + BEGIN, "", *lines, END + after]))


def _rows(name: str, record: Mapping) -> list[str]:
    """Return the table of a record: all columns of the rows that have them, else what, bar and figure."""
    figures = record["figures"]
    if name in COLUMNS:
        columns = COLUMNS[name]
        wide = [figure for figure in figures if list(columns.values())[1] in figure]
        lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
        return lines + [
            f"| {figure['what']} | {' | '.join(_cell(figure, key) for key in columns.values())} |" for figure in wide
        ]
    aimed = [f for f in figures if (re.search(SHOWN[name], f["what"]) if name in SHOWN else f.get("target"))]
    return ["| what | bar | figure |", "|---|---|---|"] + [
        f"| {figure['what']} | {figure.get('target', '')} | {figure['value']:,.6g} {figure['unit']} |"
        for figure in aimed or figures
    ]


def _cell(figure: Mapping, key: str) -> str:
    value = figure.get(key, "")
    return f"{value:,.4g}" if isinstance(value, float | int) else str(value)


if __name__ == "__main__":
    write_figures()
