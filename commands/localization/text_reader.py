"""What reads the questions of a task beside what is learned for it: the text tower of a trained model."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from egocurate.curation.text.as_narrated import in_form
from egocurate.training.run.load_model import load_model


class TextReader:
    """A run or weights that read texts, in the form of those that the model has learned from."""

    def __init__(self, source: str, *, gpu: bool) -> None:
        """Load it; raises InputError for what is no model."""
        self._model = load_model(source, device="auto" if gpu else "cpu")

    def sentences(self, texts: Sequence[str]) -> Tensor:
        """Embed texts as float32 [M, S]; InputError for a model without texts."""
        return self._model.embed_text(self._prepared(texts))

    def tokens(self, texts: Sequence[str]) -> list[Tensor]:
        """Return the last hidden states of each text's tokens, float32 [L, W]; InputError for a model without texts."""
        return self._model.embed_tokens(self._prepared(texts))

    def _prepared(self, texts: Sequence[str]) -> list[str]:
        return in_form(texts, self._model.config.data.text)
