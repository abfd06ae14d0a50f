"""The sentences that ask a model for a class: as those that it has learned from say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from egocurate.curation.text.as_narrated import as_narrated
from egocurate.curation.text.marks import normalize
from egocurate.text_choices import TextForm
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.run.load_frozen import FROZEN
from egocurate.training.tasks.zero_shot.class_texts import class_phrase, fill

NARRATION_TEMPLATES = ("#C C {}",)
WEB_TEMPLATES = ("a video of {}",)
_NARRATED_RELEASES = ("lavila", "lavila-distilbert", "avion")
_WEB_SYSTEM = "videoprism-stage1"


@dataclass(frozen=True)
class Speech:
    """How a model is spoken to: whether it has learned narrations, in which form, and the templates, "()" its own."""

    narrations: bool
    form: TextForm
    templates: tuple[str, ...] = ()

    @property
    def asked_by(self) -> tuple[str, ...]:
        """The templates that are filled."""
        return self.templates or (NARRATION_TEMPLATES if self.narrations else WEB_TEMPLATES)

    def sentences(self, kind: str, names: Sequence[str]) -> list[list[str]]:
        """Return the sentences of each class of a kind of label, [classes][templates]; none for a class without name.

        Where no templates are given, a model of narrations is asked in their words: "turn-on" is "#C C turns on", and
        where it has read them normalized, "turns on". A noun stays as it is.
        """
        return [self._of_class(kind, class_phrase(name)) if name else [] for name in names]

    def _of_class(self, kind: str, phrase: str) -> list[str]:
        if self.narrations and not self.templates and not kind.startswith("noun"):
            phrase = as_narrated(phrase) or phrase
        texts = fill(self.asked_by, phrase)
        if self.narrations and self.form == "normalized":
            return [normalize(text) or text for text in texts]
        return texts


def learned_narrations(config: TrainConfig, is_release: bool) -> bool:
    """Tell whether a model has learned texts of the camera wearer's doings: all but what others taught on the web."""
    if config.system == FROZEN:
        return config.model.kind in _NARRATED_RELEASES
    return not (is_release and config.system == _WEB_SYSTEM)
