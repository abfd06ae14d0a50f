"""Write the measured figures into docs/figures.md, and a few into the README: `python -m benchmarks.write_figures`.

Both come from the records in benchmarks/results/, so no figure is typed by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.record import RESULTS

ROOT = RESULTS.parent.parent
README, PAGE = ROOT / "README.md", ROOT / "docs" / "figures.md"
BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"
INTRODUCTION = """# Figures

This page is written by `make bench` from the records in `benchmarks/results/`, each of which holds every figure of its
measurement with the date and the machine. A bar is what the figure has to reach. Each table names the command that
measures it anew.
"""


class Headline(NamedTuple):
    """A line of the README's table: what it says, with `{}` for the figures, and where these are."""

    text: str
    record: str
    figures: tuple[tuple[str, str], ...]  # (the figure's `what`, its key)


# At most six, so that the table is eight lines with its head.
HEADLINES = (
    Headline(
        "EgoClip's tables for {:,.0f} narrations, Ego4D's size: {:.0f} s, {:.1f} GB of memory",
        "full_size",
        (
            ("narrations read", "value"),
            ("curate egoclip --tables-only, wall time", "value"),
            ("curate egoclip --tables-only, peak memory of all processes", "value"),
        ),
    ),
    Headline(
        "Verbs and nouns against gold classes of unseen kitchens: F1 {:.3f} and {:.3f}",
        "tags",
        (
            ("verb F1, EPIC target_val, 7906 rows, 2822 texts", "value"),
            ("noun F1, EPIC target_val, 7906 rows, 2822 texts", "value"),
        ),
    ),
    Headline(
        "Cutting clips that overlap: {:.1f} times as fast as an ffmpeg process for each clip",
        "cut",
        (("ours over an ffmpeg process per clip", "value"),),
    ),
    Headline(
        "Stream of 4 frames, 2 workers: {:.0f} clips/s (`train`), {:.0f} (`fast`); EgoVLP {:.0f}, AVION {:.0f}",
        "peers",
        (
            ("EgoCurate, train", "value"),
            ("EgoCurate, fast", "value"),
            ("EgoVLP's 600 s chunks", "value"),
            ("AVION's 15 s chunks", "value"),
        ),
    ),
    Headline(
        "Going on at half an epoch: the first batch after {:.1f} s; webdataset {:.1f} s, MosaicML {:.2f} s",
        "peers",
        (
            ("EgoCurate, train", "resume_sec"),
            ("webdataset", "resume_sec"),
            ("MosaicML Streaming", "resume_sec"),
        ),
    ),
    Headline(
        "Hard negatives of a clip among {:,.0f}: looked up in {:.1f} microseconds",
        "negatives",
        (("samples", "value"), ("negatives of a sample, ShardIndex.negatives", "value")),
    ),
)

# Record -> heading, in the order of the page. A record's figures with a target are listed, or all if none has one.
TITLES = {
    "tags": "Tags against gold classes (EPIC-KITCHENS narrations in Ego4D's form)",
    "dictionaries": "EgoNCE positives with dictionaries made without a taxonomy, against gold classes",
    "windows": "Windows against gold segments, mean IoU",
    "full_size": "The text side at Ego4D's size (an invented root)",
    "full_size_35m": "The text side at the size of LaViLa's narrations (an invented root)",
    "full_size_tables": "The text side without its tagger, by the number of narrations (invented roots)",
    "negatives": "Hard negatives, looked up",
    "cut": "Cutting",
    "profiles": "Stored clips",
    "peers": "Streams side by side, same clips, same decoding",
    "shuffle": "Quality of the order",
    "huge_index": "Indexes of millions of clips (invented)",
    "localization": "Stretches of long videos, by features of several kinds (invented videos)",
    "features_speed": "Long videos read for features, beside others' ways",
    "search": "Search by words, on random rows and with the demo's model",
    "huge_repair": "Repair of a folder of millions of clips (invented)",
    "models_speed": "Models, forward and backward on one CPU thread, against others on equal weights",
    "parity": "The same numbers as the authors' own code, on random weights under the released names",
    "ablation": "What each part of the contrast brings, on invented videos (tiny recipe, unseen videos)",
    "text_negatives": "What text negatives bring, by two quizzes (tiny recipe tuned further, unseen invented videos)",
    "window_ablation": "What each window strategy brings, by two quizzes (tiny recipe, unseen invented videos)",
    "downstream": "What tuning and probing bring on invented videos, those of the test unseen (small models)",
    "leaderboard": "Every benchmark, of the demo's run on invented data (`curate eval --all`)",
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
    "text_negatives": {
        "right verb and noun, %": "value",
        "right verb, %": "verb quiz",
        "standard deviation": "verb quiz, deviation",
        "right noun, %": "noun quiz",
        "EgoMCQ inter, %": "EgoMCQ inter",
        "EgoMCQ intra, %": "EgoMCQ intra",
        "its standard deviation": "EgoMCQ intra, deviation",
        "seeds": "seeds",
    },
    "window_ablation": {
        "EgoMCQ with clips cut by its own windows, %": "value",
        "standard deviation": "own_spread",
        "with clips cut by gold segments, %": "gold",
        "its standard deviation": "gold_spread",
    },
    "leaderboard": {"figure": "value", "unit": "unit", "published by others, on the real data": "published"},
}
# Records of which other rows tell more than those with a target: what these rows look like.
SHOWN = {
    "shuffle": r"^3,.*(two anchors of one neighbourhood|from one video, mean|between clips of one video)",
    "search": r"^(the ten|actions|things)",
    "downstream": r"",
    "localization": r"R1x?@0\.3|^qfvs",
}
# Records that are not of one benchmark of their name.
MEASURED_BY = {
    "downstream": ("downstream", "downstream_retrieval"),
    "full_size_35m": ("full_size --record full_size_35m",),
}
# Records that are drawn too: the picture beside the page.
PICTURES = {"peers": "peers.png", "shuffle": "shuffle.png"}


def write_figures(readme: Path = README, page: Path = PAGE, results: Path = RESULTS) -> None:
    """Write the page of all figures, and the headlines between the markers of `readme`, from the folder `results`."""
    records = {path.stem: json.loads(path.read_text()) for path in sorted(results.glob("*.json"))}
    page.write_text(figures_page(records))
    before, rest = readme.read_text().split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text("\n".join([before + BEGIN, "", *headline_table(records), "", END + after]))


def headline_table(records: Mapping[str, Mapping]) -> list[str]:
    """Return the lines of the README's table; raises KeyError for a figure that no record has."""
    lines = ["| what | measured by |", "|---|---|"]
    for headline in HEADLINES:
        rows = {row["what"]: row for row in records[headline.record]["figures"]}
        values = [rows[what][key] for what, key in headline.figures]
        lines.append(f"| {headline.text.format(*values)} | `python -m benchmarks.{headline.record}` |")
    return lines


def figures_page(records: Mapping[str, Mapping]) -> str:
    """Return the page: a heading, a table and perhaps a picture for each record that there is."""
    lines = [INTRODUCTION]
    for name in (name for name in TITLES if name in records):
        record = records[name]
        lines += [f"## {TITLES[name]}", "", *_table(name, record), ""]
        lines += [f"![{name}]({PICTURES[name]})", ""] if name in PICTURES else []
        measured = " and ".join(f"`python -m benchmarks.{one}`" for one in MEASURED_BY.get(name, (name,)))
        lines += [f"{measured}, {record['date']}, on {record['machine']}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:,.6g}"


def _table(name: str, record: Mapping) -> list[str]:
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
        f"| {figure['what']} | {figure.get('target', '')} | {_number(figure['value'])} {figure['unit']} |"
        for figure in aimed or figures
    ]


def _cell(figure: Mapping, key: str) -> str:
    value = figure.get(key, "")
    return f"{value:,.4g}" if isinstance(value, float | int) else str(value)


if __name__ == "__main__":
    write_figures()
