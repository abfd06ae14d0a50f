"""Put the page together and write it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, PackageLoader, select_autoescape

from egocurate.commands.jobs.cutting import MCQ_SHARDS, SHARDS
from egocurate.commands.jobs.run_record import read_run
from egocurate.commands.report import charts, clips, questions, strips
from egocurate.commands.report.folder import describe_folder
from egocurate.curation.clips.read_clips import read_clips
from egocurate.curation.text.taxonomy import Lexicon, load_lexicon
from egocurate.errors import InputError
from egocurate.questions import QUESTIONS_FILE, read_questions
from egocurate.storage.atomic import atomic_write
from egocurate.storage.parquet import read_parquet

EXAMPLES = 20


@dataclass(frozen=True)
class ShardFacts:
    """What a shard folder holds, in words, and the clips that could not be written by reason."""

    name: str
    lines: list[str]
    failed: list[charts.Bar]


def write_report(folder: Path) -> Path:
    """Write `folder`/report.html and return its path; InputError where there is no egoclip.parquet."""
    path = folder / "egoclip.parquet"
    if not path.exists():
        raise InputError(f"{path}: not there; a report needs the output folder of a finished `curate egoclip`")
    table, lexicon = read_clips(path), load_lexicon(folder / "lexicon")
    if not table.num_rows:
        raise InputError(f"{path}: has no clips; there is nothing to report")
    parts, rng = describe_folder(folder), np.random.default_rng(0)
    environment = Environment(
        loader=PackageLoader("egocurate.commands.report"), autoescape=select_autoescape(("html.j2",)), trim_blocks=True
    )
    facts = {
        "folder": folder.resolve().name,
        "about": _about(folder),
        "cards": _cards(table, parts),
        "size": (charts.CURVE_WIDTH, charts.CURVE_HEIGHT),
        "examples": _examples(table, lexicon, rng),
        "asked": parts.get("egomcq", {}),
        "shards": [_shard_facts(folder / name) for name in (SHARDS, MCQ_SHARDS) if name in parts],
    }
    facts |= _time_facts(folder, table, parts) | _tag_facts(table, lexicon) | _negative_facts(table, rng)
    facts |= _picture_facts(folder, lexicon, rng)
    html = environment.get_template("report.html.j2").render(facts)
    out = folder / "report.html"
    atomic_write(out, lambda file: file.write(html.encode()))
    return out


def _about(folder: Path) -> str:
    run = read_run(folder, "egoclip")
    if run is None:
        return ""
    config, version = run["config"], run.get("versions", {}).get("egocurate", "")
    window = f"window {config['window']}, alpha {config['alpha']}"
    return f"{window} · made {run.get('started', '')[:10]} in {run.get('seconds', 0):,.0f} s · egocurate {version}"


def _cards(table: pa.Table, parts: dict[str, dict]) -> list[tuple[str, str]]:
    seconds = clips.lengths(table)
    filled = {name: (pc.list_value_length(table[name]).to_numpy() > 0).mean() for name in ("tag_verb", "tag_noun")}
    cards = [
        (f"{table.num_rows:,}", "clips"),
        (f"{len(table['video_uid'].unique()):,}", "videos"),
        (f"{seconds.sum() / 3600:,.2f} h", "of clips"),
        (f"{seconds.mean():.2f} s", "mean clip"),
        (f"{filled['tag_verb']:.1%}", "with a verb"),
        (f"{filled['tag_noun']:.1%}", "with a noun"),
    ]
    if "egomcq" in parts:
        mcq = parts["egomcq"]
        cards.append((f"{mcq['inter']:,} + {mcq['intra']:,}", "questions, inter + intra"))
    for name in (SHARDS, MCQ_SHARDS):
        if name in parts:
            cards.append((f"{parts[name]['bytes'] / 1e6:,.1f} MB", f"in {parts[name]['shards']:,} {name}"))
    return cards


def _time_facts(folder: Path, table: pa.Table, parts: dict[str, dict]) -> dict[str, object]:
    steps, idle = clips.funnel(parts["egoclip"]["narrations"]) if "egoclip" in parts else ([], [])
    seconds, facts = clips.lengths(table), {"steps": steps, "idle": idle}
    facts |= {"lengths": charts.histogram(seconds), "lengths_line": clips.spread(seconds)}
    rejected = folder / "rejected.parquet"
    if rejected.exists():
        gaps = clips.pass_gaps(table, read_parquet(rejected))
        facts |= {"gaps": charts.histogram(gaps["beta"].to_numpy()), "scenarios": clips.scenario_gaps(gaps, folder)}
        facts["gaps_line"] = clips.spread(gaps["beta"].to_numpy()) if len(gaps) else ""
    return facts


def _tag_facts(table: pa.Table, lexicon: Lexicon) -> dict[str, object]:
    return {
        "classes": {
            "Verbs": clips.classes(table["tag_verb"], lexicon.verbs),
            "Nouns": clips.classes(table["tag_noun"], lexicon.nouns),
        },
        "coverage": clips.coverage(table),
        "per_clip": {
            side: charts.whole_numbers(pc.list_value_length(table[column]).to_numpy())
            for side, column in (("verbs of a clip", "tag_verb"), ("nouns of a clip", "tag_noun"))
        },
        "untagged": {side: clips.untagged(table, f"tag_{side}") for side in ("verb", "noun")},
    }


def _negative_facts(table: pa.Table, rng: np.random.Generator) -> dict[str, object]:
    counts = pc.list_value_length(table["negatives"]).to_numpy()
    anchors, negatives = clips.negative_pairs(table, rng)
    time = table["narration_time"].to_numpy()
    away = np.abs(time[anchors] - time[negatives])
    return {
        "negative_counts": charts.whole_numbers(counts),
        "negatives_line": f"{counts.mean():.1f} on average; clips without any: {int((counts == 0).sum()):,}",
        "distances": charts.histogram(away),
        "distances_line": clips.spread(away) if len(away) else "",
        "shared": clips.shared_with_negatives(table, anchors, negatives),
    }


def _picture_facts(folder: Path, lexicon: Lexicon, rng: np.random.Generator) -> dict[str, object]:
    facts: dict[str, object] = {}
    index = strips.open_shards(folder / SHARDS)
    if index is not None:
        labels = ([clips.plain(label) for label in part.labels] for part in (lexicon.verbs, lexicon.nouns))
        facts["pairs"] = strips.clip_pairs(index, *labels, rng)
    if (folder / QUESTIONS_FILE).exists():
        asked = read_questions(folder / QUESTIONS_FILE)
        facts |= {"kinds": questions.balance(asked), "reuse": questions.reuse(asked)}
        index = strips.open_shards(folder / MCQ_SHARDS)
        if index is not None:
            facts["questions"] = strips.draw_questions(asked, questions.KINDS, index, rng)
    return facts


def _shard_facts(folder: Path) -> ShardFacts:
    index = strips.ShardIndex.open(folder)
    size, profile = index.manifest["bytes"], index.manifest["profile"]
    lines = [
        f"{len(index):,} clips in {len(index.manifest['shards']):,} tars, {size / 1e6:,.1f} MB",
        f"profile {profile['name']}: {size / max(len(index), 1) / 1e3:,.1f} kB and "
        f"{index.frame_count.mean():.1f} frames a clip",
    ]
    failed = folder / "failed.parquet"
    reasons = read_parquet(failed, columns=["reason"])["reason"].value_counts().to_pylist() if failed.exists() else []
    reasons.sort(key=lambda row: -row["counts"])
    return ShardFacts(folder.name, lines, charts.bars((row["values"], row["counts"]) for row in reasons))


def _examples(table: pa.Table, lexicon: Lexicon, rng: np.random.Generator) -> list[dict[str, str]]:
    rows = np.sort(rng.permutation(table.num_rows)[:EXAMPLES])
    texts, sides = table["clip_text"], (("tag_verb", lexicon.verbs), ("tag_noun", lexicon.nouns))
    examples = []
    for row in table.take(pa.array(rows)).to_pylist():
        verbs, nouns = ([clips.plain(part.labels[i]) for i in row[name]] for name, part in sides)
        negative = next(itertools.islice(row["negatives"], 1), None)
        examples.append(
            {
                "time": f"{row['clip_start']:.2f} to {row['clip_end']:.2f}",
                "text": row["clip_text"],
                "verbs": ", ".join(verbs),
                "nouns": ", ".join(nouns),
                "negative": "" if negative is None else texts[negative].as_py(),
            }
        )
    return examples
