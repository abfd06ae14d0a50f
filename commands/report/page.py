"""Put the pages together and write them: one folder, or two side by side."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape

from egocurate.commands.output.output_folder import MCQ_SHARDS, SHARDS
from egocurate.commands.report import charts, clips, left_out, questions, strips, tags, timeline
from egocurate.commands.report.folder import Folder, count_tars, open_folder, shard_facts, window_of
from egocurate.commands.report.panels import (
    Sections,
    caption_panels,
    draw_sections,
    found_panels,
    label_panels,
    negative_panels,
    question_panels,
    tag_panels,
    window_panels,
)
from egocurate.commands.report.search import texts_to_search
from egocurate.commands.report.settings import differing, read_settings
from egocurate.storage.atomic import atomic_write
from egocurate.storage.paths import AnyPath
from egocurate.storage.redacted import redacted

REPORT_FILE = "report.html"


@dataclass(frozen=True)
class Card:
    """A figure of the summary, what it counts, and what there is to say about it."""

    value: str
    name: str
    about: str = ""


def write_report(path: AnyPath) -> AnyPath:
    """Write report.html into an output folder and return its path; InputError where there is no egoclip.parquet."""
    folder, rng = open_folder(path), np.random.default_rng(0)
    facts = {
        "title": folder.name,
        "about": _about(folder),
        "segmented": window_of(folder.runs) == timeline.SEGMENTS,
        "cards": _cards(folder),
        "sections": draw_sections([_sections(folder, rng)]),
        "left_out": left_out.by_reason(folder.rejected, rng),
        "stretches": _stretches(folder, rng),
        "strategies": {name: timeline.about_strategy(name) for name in timeline.WINDOWS},
        "pairs": _pairs(folder, rng),
        "questions": _questions(folder, rng),
        "reuse": questions.reuse(folder.asked) if folder.asked else "",
        "shards": [shard_facts(name, index) for name, index in folder.shards.items()],
        "settings": read_settings(path),
        "texts": texts_to_search(folder.table, folder.rejected, folder.lexicon),
    } | _funnel(folder)
    return write_page(path / REPORT_FILE, "report.html.j2", facts)


def write_comparison(path: AnyPath, beside: AnyPath) -> AnyPath:
    """Write report-beside-<name>.html into the first of two output folders and return its path; errors as above."""
    folders = [open_folder(path), open_folder(beside)]
    same_name = folders[0].name == folders[1].name
    names = [str(folder.path) if same_name else folder.name for folder in folders]
    found = found_panels([folder.table for folder in folders], names)
    runs = [
        _sections(folder, np.random.default_rng(0)) | {"found": panels}
        for folder, panels in zip(folders, found, strict=True)
    ]
    settings = [read_settings(folder.path) for folder in folders]
    facts = {
        "names": names,
        "abouts": [_about(folder) for folder in folders],
        "cards": [_cards(folder) for folder in folders],
        "funnels": [_funnel(folder) for folder in folders],
        "sections": draw_sections(runs),
        "differences": differing(*settings),
    }
    return write_page(path / f"report-beside-{folders[1].name}.html", "beside.html.j2", facts)


def write_page(out: AnyPath, template: str, facts: dict[str, object]) -> AnyPath:
    """Fill a template with facts, write the page and return its path."""
    environment = Environment(
        loader=PackageLoader("egocurate.commands.report"),
        autoescape=select_autoescape((".html.j2",)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = environment.get_template("search.js").render()
    size = {"width": charts.WIDTH, "height": charts.HEIGHT, "left": charts.LEFT, "bottom": charts.BOTTOM}
    page = environment.get_template(template).render(
        facts | {"size": size | {"right": charts.RIGHT, "top": charts.TOP}, "strip": timeline},
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    atomic_write(out, lambda file: file.write(redacted(page).encode()))
    return out


def _about(folder: Folder) -> str:
    run = folder.runs.get("egoclip")
    if run is None:
        return ""
    config, version = run["config"], run.get("versions", {}).get("egocurate", "")
    window = window_of(folder.runs)
    how = f"window {window}, alpha {config.get('alpha', '')}"
    if window == timeline.SEGMENTS:
        how = "clips are the segments of the data"
    return f"{how} · made {run.get('started', '')[:10]} in {run.get('seconds', 0):,.0f} s · egocurate {version}"


def _cards(folder: Folder) -> list[Card]:
    table, seconds = folder.table, clips.lengths(folder.table)
    verb, noun = tags.has_verb_and_noun(table)
    cards = [
        Card(f"{table.num_rows:,}", "clips", f"of {len(table['video_uid'].unique()):,} videos"),
        Card(f"{seconds.sum() / 3600:,.2f} h", "of clips", f"{seconds.mean():.2f} s each on average"),
        Card(f"{folder.rejected.num_rows:,}", "narrations left out", "the reasons are below"),
        Card(f"{verb.mean():.1%}", "with a verb", f"{noun.mean():.1%} with a noun"),
    ]
    if "egomcq" in folder.runs:
        counts = folder.runs["egomcq"]["counts"]
        made = counts.get("inter", 0) + counts.get("intra", 0)
        cards.append(Card(f"{made:,}", "EgoMCQ questions", questions.in_words(counts)))
    for name, index in folder.shards.items():
        of = f"in {count_tars(index)}, profile {index.manifest['profile']['name']}"
        cards.append(Card(f"{index.manifest['bytes'] / 1e6:,.1f} MB", name, of))
    return cards


def _sections(folder: Folder, rng: np.random.Generator) -> Sections:
    return {
        "windows": window_panels(folder.table, folder.rejected, folder.path),
        "texts": caption_panels(folder.table),
        "tags": tag_panels(folder.table, folder.lexicon),
        "labels": label_panels(folder.table),
        "negatives": negative_panels(folder.table, rng),
        "questions": question_panels(folder.asked),
    }


def _funnel(folder: Folder) -> dict[str, list]:
    counts = folder.runs["egoclip"]["counts"]["narrations"] if "egoclip" in folder.runs else None
    steps, idle = left_out.funnel(counts) if counts else ([], [])
    return {"steps": steps, "idle": idle}


def _stretches(folder: Folder, rng: np.random.Generator) -> list[timeline.Stretch]:
    window = window_of(folder.runs)
    if window not in (*timeline.WINDOWS, timeline.SEGMENTS):  # without a record, or with that of another version
        return []
    return timeline.stretches(folder.table, folder.rejected, window, folder.gaps, rng)


def _pairs(folder: Folder, rng: np.random.Generator) -> list[strips.Pair]:
    if SHARDS not in folder.shards:
        return []
    labels = ([tags.plain(label) for label in part.labels] for part in (folder.lexicon.verbs, folder.lexicon.nouns))
    return strips.clip_pairs(folder.shards[SHARDS], *labels, rng)


def _questions(folder: Folder, rng: np.random.Generator) -> list[strips.QuestionDrawing]:
    if MCQ_SHARDS not in folder.shards:
        return []
    return strips.draw_questions(folder.asked, questions.MEANINGS, folder.shards[MCQ_SHARDS], rng)
