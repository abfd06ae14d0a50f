"""The charts of a folder, section by section: what each is drawn from, and the line below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.captions import has_captions
from egocurate.commands.report import charts, clips, negatives, questions, tags
from egocurate.commands.report.found import find_clips
from egocurate.curation.text.taxonomy import Lexicon
from egocurate.labels import label_column, table_label_names
from egocurate.questions import Question
from egocurate.storage.paths import AnyPath
from egocurate.text_choices import CAPTION_KINDS

Draw = Callable[[Sequence], list]
"""Values of several runs -> a drawing of each, as in `charts`."""


@dataclass(frozen=True)
class Panel:
    """A chart: `draw` makes drawings of the `values` of several runs on one scale; `note` is the line below it."""

    title: str
    values: Sequence | np.ndarray
    draw: Draw
    note: str = ""


@dataclass(frozen=True)
class DrawnPanel:
    """A chart of one run, or charts of several next to each other; None where a run has nothing to draw."""

    title: str
    drawings: list
    notes: list[str]


Sections = dict[str, list[Panel]]


def draw_sections(runs: Sequence[Sections]) -> dict[str, list[DrawnPanel]]:
    """Draw the panels of one run or more: those of one title together, in the order of the first run that has them."""
    drawn: dict[str, list[DrawnPanel]] = {}
    for name in dict.fromkeys(name for run in runs for name in run):
        titles = dict.fromkeys(panel.title for run in runs for panel in run.get(name, ()))
        together = (_draw(title, [_find(run.get(name, ()), title) for run in runs]) for title in titles)
        drawn[name] = [panel for panel in together if any(drawing is not None for drawing in panel.drawings)]
    return drawn


def _find(panels: Sequence[Panel], title: str) -> Panel | None:
    return next((panel for panel in panels if panel.title == title), None)


def _draw(title: str, panels: list[Panel | None]) -> DrawnPanel:
    there = [panel for panel in panels if panel is not None]
    drawings = iter(there[0].draw([panel.values for panel in there]))
    return DrawnPanel(
        title,
        drawings=[None if panel is None else next(drawings) for panel in panels],
        notes=["" if panel is None else panel.note for panel in panels],
    )


def window_panels(table: pa.Table, rejected: pa.Table, folder: AnyPath) -> list[Panel]:
    """How long clips are, how they overlap, and how far apart narrations are."""
    seconds, ratios, gaps = clips.lengths(table), clips.overlap_with_next(table), clips.pass_gaps(table, rejected)
    beta = gaps["beta"].to_numpy()
    panels = [Panel("Length of a clip", seconds, charts.histograms, clips.spread(seconds))]
    if len(ratios):
        draw = partial(charts.histograms, unit="IoU with the next clip", top=1.0, columns=20)
        panels.append(Panel("Overlap with the next clip", ratios, draw, clips.overlap_line(ratios)))
    if len(beta):
        draw = partial(charts.histograms, unit="seconds (beta)", of="passes")
        panels.append(Panel("Mean gap between the narrations of a pass", beta, draw, clips.spread(beta)))
    scenarios = clips.scenario_gaps(gaps, folder)
    if scenarios:
        draw = partial(charts.bars, unit="s")
        panels.append(Panel("Mean gap by scenario (passes)", scenarios, draw))
    return panels


def found_panels(tables: Sequence[pa.Table], names: Sequence[str]) -> list[list[Panel]]:
    """How the clips of each of two folders are found by those of the other: none where they have no video in common."""
    found = [find_clips(tables[0], tables[1]), find_clips(tables[1], tables[0])]
    draw = partial(charts.histograms, unit="best IoU with a clip of the other", top=1.0, columns=20)
    return [
        [Panel("How the other's clips find these", one.ratio, draw, one.line(other))] if one.videos else []
        for one, other in zip(found, reversed(names), strict=True)
    ]


def caption_panels(table: pa.Table) -> list[Panel]:
    """How many words the texts have, how many are said more than once, and how many captions a clip has, of whom."""
    texts = table["text"].cast(pa.large_string()).combine_chunks()
    words = pc.list_value_length(pc.utf8_split_whitespace(texts)).to_numpy()
    distinct = len(pc.unique(texts))
    line = f"{distinct:,} different texts for {len(texts):,} clips; {words.mean():.1f} words on average."
    panels = [Panel("Words of a text", words, partial(charts.whole_numbers, unit="words"), line)]
    if has_captions(table.schema):
        kinds = pc.list_flatten(table["caption_kinds"]).to_numpy()
        is_said = kinds < len(CAPTION_KINDS)  # of other kinds are texts that no clip is shown with
        clip = np.repeat(np.arange(len(table)), pc.list_value_length(table["caption_kinds"]).to_numpy())
        counts = np.bincount(clip[is_said], minlength=len(table))
        line = f"{counts.sum():,} captions, {counts.mean():.1f} a clip on average."
        panels.append(Panel("Captions of a clip", counts, partial(charts.whole_numbers, unit="captions"), line))
        of_kinds = np.bincount(kinds[is_said], minlength=len(CAPTION_KINDS)).tolist()
        panels.append(Panel("Who wrote the captions", list(zip(CAPTION_KINDS, of_kinds, strict=True)), charts.parts))
    return panels


def label_panels(table: pa.Table) -> list[Panel]:
    """How many clips each class has, for each kind of label that the data set brings."""
    panels = []
    for kind, names in table_label_names(table.schema).items():
        numbers = table[label_column(kind)].to_numpy()
        counts = np.bincount(numbers[numbers >= 0], minlength=len(names))
        top = np.argsort(-counts, kind="stable")[: tags.TOP_CLASSES]
        rows = [(names[place], int(counts[place])) for place in top if counts[place]]
        note = f"{(counts > 0).sum():,} of {len(names):,} classes occur; not known of {(numbers < 0).sum():,} clips."
        panels.append(Panel(f"Most frequent classes of label {kind} (clips)", rows, charts.bars, note))
    return panels


def tag_panels(table: pa.Table, lexicon: Lexicon) -> list[Panel]:
    """How often classes occur, how many clips have any, and the words that have none."""
    verb, noun = tags.has_verb_and_noun(table)
    line = f"{verb.mean():.1%} of the clips have a verb, {noun.mean():.1%} a noun, {(verb & noun).mean():.1%} both."
    sides = (("verb", "tag_verb", lexicon.verbs), ("noun", "tag_noun", lexicon.nouns))
    panels = [Panel("Clips with a verb and a noun", tags.coverage(table), charts.parts, line)]
    for side, column, _ in sides:
        per_clip = pc.list_value_length(table[column]).to_numpy()
        panels.append(Panel(f"{side.title()}s of a clip", per_clip, partial(charts.whole_numbers, unit=f"{side}s")))
    ranks = []
    for side, column, part in sides:
        counts = tags.class_counts(table[column], part)
        top = tags.most_frequent(counts, part)
        panels.append(Panel(f"Most frequent {side}s (clips)", top, charts.bars, tags.tail(counts)))
        ranks.append(Panel(f"Clips of each {side} class, by rank", counts, partial(charts.rank_curves, of="clips")))
    words = tags.untagged_words(table, lexicon)
    if words:
        note = "No verb or noun group holds them: edit the lexicon's csv files, and pass the folder with --lexicon."
        panels.append(Panel("Most frequent words that are in no group (clips)", words, charts.bars, note))
    panels += ranks
    for side, column, _ in sides:
        texts = tags.untagged_texts(table, column)
        if texts:
            panels.append(Panel(f"Most frequent texts without a {side} (clips)", texts, charts.bars))
    return panels


def negative_panels(table: pa.Table, rng: np.random.Generator) -> list[Panel]:
    """How many hard negatives clips have, how far away, and what they share."""
    counts = pc.list_value_length(table["negatives"]).to_numpy()
    line = f"{counts.mean():.1f} on average; clips without any: {int((counts == 0).sum()):,}."
    panels = [Panel("Negatives of a clip", counts, partial(charts.whole_numbers, unit="negatives"), line)]
    anchors, others = negatives.negative_pairs(table, rng)
    if len(anchors):
        time = table["narration_time"].to_numpy()
        away = np.abs(time[anchors] - time[others])
        line = "A negative never shares both verb and noun: those that share one are the hardest."
        panels += [
            Panel("Distance to a negative", away, partial(charts.histograms, of="pairs"), clips.spread(away)),
            Panel(
                "What a clip shares with a negative (pairs)",
                negatives.shared_with_negatives(table, anchors, others),
                charts.parts,
                line,
            ),
        ]
    return panels


def question_panels(asked: dict[str, Question]) -> list[Panel]:
    """How often each option is the answer, for both types of questions."""
    return [
        Panel(
            f"Answers of the {kind.name} questions",
            kind.slots,
            charts.bars,
            f"{kind.count:,} questions; each option is the answer of {kind.evenness}.",
        )
        for kind in questions.balance(asked)
    ]
