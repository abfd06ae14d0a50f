"""The swap quiz: clips of EgoMCQ, each with its text among texts with another verb, and with another noun."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pyarrow as pa

from egocurate.curation.config import TextNegativesConfig
from egocurate.curation.text.marks import normalize
from egocurate.curation.text.taxonomy import Lexicon
from egocurate.curation.text_negatives.read_spots import TextSpots
from egocurate.curation.text_negatives.swaps import NOUN_SWAP, VERB_SWAP, Drawing, Narration, draw_kind
from egocurate.curation.text_negatives.usage import Usage
from egocurate.progress import Report, silent
from egocurate.questions import ITEM_FIELDS
from egocurate.storage.atomic import atomic_write
from egocurate.storage.paths import AnyPath
from egocurate.swap_quiz import SWAP_QUIZ_FILE

Entry = dict[str, object]


@dataclass(frozen=True)
class SwapQuiz:
    """The entries of a swap_quiz.json by their keys, and how many clips have too few swaps of a kind for one."""

    entries: dict[str, Entry]
    left_out: int


def build_swap_quiz(
    clips: pa.Table, spoken: pa.Array, lexicon: Lexicon, config: TextNegativesConfig, report: Report = silent
) -> SwapQuiz:
    """Ask one question of each clip: its text among `config.per_clip` swaps of each kind.

    spoken: the texts in whose words swaps are made, one for each clip that they are said of: those of the clips, and
    of all that a model learns from. A clip with fewer swaps of a kind is left out, so that chance is the same for all.
    """
    coded = pa.concat_arrays([clips["clip_text"].cast(pa.large_string()).combine_chunks(), spoken]).dictionary_encode()
    spots = TextSpots(coded.dictionary, lexicon, report)
    counts = coded.indices.value_counts()
    by_text = dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))
    usage = Usage(lexicon, ((spots[text], count) for text, count in sorted(by_text.items())))
    entries: dict[str, Entry] = {}
    for row, text in zip(clips.to_pylist(), coded.indices.to_pylist(), strict=False):
        said = Narration(row["clip_text"], spots[text], row["tag_verb"], row["tag_noun"])
        drawing = Drawing(config.seed, f"quiz/{row['key']}")
        swaps = [draw_kind(said, kind, config.per_clip, usage, drawing) for kind in (VERB_SWAP, NOUN_SWAP)]
        if min(map(len, swaps)) == config.per_clip:
            texts = ([_both(swap.text) for swap in of_kind] for of_kind in swaps)
            entry = {"clip": _item(row), **dict(zip(("verb_swaps", "noun_swaps"), texts, strict=True))}
            entries[str(len(entries))] = entry
    return SwapQuiz(entries, len(clips) - len(entries))


def write_swap_quiz(quiz: SwapQuiz, out: AnyPath) -> list[str]:
    """Write swap_quiz.json to a folder, whole or not at all; returns its name."""
    text = json.dumps(quiz.entries, ensure_ascii=False, separators=(",", ":"))
    atomic_write(out / SWAP_QUIZ_FILE, lambda file: file.write(text.encode()))
    return [SWAP_QUIZ_FILE]


def _item(row: dict) -> Entry:
    item = {name: row[name] for name in ITEM_FIELDS} | {"text": row["text"]}
    return item | {name: str(row[name]) for name in ("tag_verb", "tag_noun")}


def _both(text: str) -> dict[str, str]:
    return {"clip_text": text, "text": normalize(text)}
