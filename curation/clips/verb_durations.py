"""How long the action of a verb takes: numbers fitted on gold segments, looked up by the first word of a narration.

`data/verb_durations.json` names the annotations they were fitted on; `benchmarks/fit_verb_durations.py` writes it.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from egocurate.curation.clips.adaptive_window import Reach
from egocurate.curation.text.inflection import verb_bases
from egocurate.curation.text.marks import sentence

DATA = Path(__file__).parents[1] / "data" / "verb_durations.json"
_FIRST_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class VerbDurations:
    """Typical seconds of verbs by their base form, those of the mean verb, and the reach that was fitted with them."""

    mean_sec: float
    seconds: Mapping[str, float]
    reach: Reach

    def relative(self, texts: Iterable[str]) -> np.ndarray:
        """Return how long the verb of each narration takes as a share of the mean verb, float64[N]; 1 if unknown."""
        seconds = [self.seconds.get(verb_of(text, self.seconds), self.mean_sec) for text in texts]
        return np.array(seconds, np.float64) / self.mean_sec


def verb_of(text: str, known: Mapping[str, object] | set[str]) -> str:
    """Return the base form in `known` of the first word after marks and subject letter, "" if there is none."""
    word = _FIRST_WORD.match(sentence(text).words.lower())
    return next((base for base in verb_bases(word.group()) if base in known), "") if word else ""


@cache
def fitted() -> VerbDurations:
    """Return the numbers that come with the package."""
    content = json.loads(DATA.read_text())
    return VerbDurations(content["mean_sec"], content["seconds"], Reach(**content["reach"]))
