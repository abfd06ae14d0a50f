"""One self-contained HTML page about an output folder: what was kept, what was not, and how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jinja2 import Environment, PackageLoader, select_autoescape

from curation.jobs import describe
from curation.lexicon import load_lexicon
from shards.errors import InputError
from shards.files import atomic_write

BARS = 20
EXAMPLES = 25


@dataclass(frozen=True)
class Bar:
    """One bar of a chart: `share` of the longest, 0..1."""

    label: str
    count: int
    share: float


def write_report(folder: Path) -> Path:
    """Write `folder`/report.html and return its path; InputError where there is no egoclip.parquet."""
    path = folder / "egoclip.parquet"
    if not path.exists():
        raise InputError(f"{path}: not there; a report needs the output folder of a finished `curate egoclip`")
    table = pq.read_table(path)
    found = describe(folder)
    lexicon = load_lexicon(folder / "lexicon")
    page = Environment(loader=PackageLoader("curation"), autoescape=select_autoescape()).get_template("report.html.j2")
    html = page.render(
        folder=folder.name,
        found=found,
        facts=_facts(table),
        charts={
            "Narrations left after each filter": bars(found["egoclip"]["narrations"].items())
            if "egoclip" in found
            else [],
            "Clip length, seconds": bars(_histogram(_lengths(table))),
            "Negatives of a clip": bars(_histogram_int(pc.list_value_length(table["negatives"]).to_numpy())),
            "Verbs": bars(_classes(table["tag_verb"], lexicon.verbs.labels)),
            "Nouns": bars(_classes(table["tag_noun"], lexicon.nouns.labels)),
        },
        examples=_examples(table, lexicon.verbs.labels, lexicon.nouns.labels),
    )
    out = folder / "report.html"
    atomic_write(out, lambda file: file.write(html.encode()))
    return out


def bars(pairs: object) -> list[Bar]:
    """Turn (label, count) pairs into bars, in their order."""
    pairs = list(pairs)
    longest = max((count for _, count in pairs), default=0) or 1
    return [Bar(str(label), int(count), count / longest) for label, count in pairs]


def _facts(table: pa.Table) -> dict[str, str]:
    lengths = _lengths(table)
    return {
        "clips": f"{table.num_rows:,}",
        "videos": f"{len(table['video_uid'].unique()):,}",
        "hours of clips": f"{lengths.sum() / 3600:,.2f}",
        "mean clip": f"{lengths.mean():.2f} s",
        "with a verb": f"{_share_filled(table['tag_verb']):.1%}",
        "with a noun": f"{_share_filled(table['tag_noun']):.1%}",
        "with a negative": f"{_share_filled(table['negatives']):.1%}",
    }


def _lengths(table: pa.Table) -> np.ndarray:
    return table["clip_end"].to_numpy() - table["clip_start"].to_numpy()


def _share_filled(column: pa.ChunkedArray) -> float:
    return float((pc.list_value_length(column).to_numpy() > 0).mean())


def _histogram(values: np.ndarray) -> list[tuple[str, int]]:
    counts, edges = np.histogram(values, bins=min(BARS, 12), range=(0.0, float(np.quantile(values, 0.99)) or 1.0))
    return [(f"{low:.2f} - {high:.2f}", int(n)) for n, low, high in zip(counts, edges, edges[1:], strict=False)]


def _histogram_int(values: np.ndarray) -> list[tuple[str, int]]:
    return [(str(value), int(count)) for value, count in zip(*np.unique(values, return_counts=True), strict=True)]


def _classes(column: pa.ChunkedArray, labels: list[str]) -> list[tuple[str, int]]:
    flat = pc.list_flatten(column).to_numpy()
    counts = np.bincount(flat, minlength=len(labels))
    return [(labels[i], int(counts[i])) for i in np.argsort(-counts, kind="stable")[:BARS] if counts[i]]


def _examples(table: pa.Table, verbs: list[str], nouns: list[str]) -> list[dict[str, str]]:
    rows = np.sort(np.random.default_rng(0).permutation(table.num_rows)[:EXAMPLES])
    texts = table["clip_text"]
    return [
        {
            "time": f"{row['clip_start']:.2f} - {row['clip_end']:.2f}",
            "text": row["clip_text"],
            "verbs": ", ".join(verbs[i] for i in row["tag_verb"]),
            "nouns": ", ".join(nouns[i] for i in row["tag_noun"]),
            "negative": texts[row["negatives"][0]].as_py() if row["negatives"] else "",
        }
        for row in table.take(rows).to_pylist()
    ]
