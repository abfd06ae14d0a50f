"""Which texts a tokenizer is made from where clips have several captions."""

from types import SimpleNamespace

import pytest

from egocurate.loaders.config import StreamConfig
from egocurate.training.systems.tokens import _made


class Said(SimpleNamespace):
    """A text in both forms, as rows and captions of an index have it."""

    def text_as(self, form):
        return f"#C C {self.text}" if form == "raw" else self.text


def _kind(text):
    return "verb_swap" if text == "wrong" else "human"


class Index:
    """Two clips, the second with a caption that uses other letters, and with a swap."""

    def __init__(self, captions):
        texts = [["opens"], ["closes", "zzxxqq", "wrong"]]
        self._rows = [Said(text=one[0]) for one in texts]
        of = SimpleNamespace(of=lambda i: [Said(text=text, kind=_kind(text)) for text in texts[i]])
        self.captions = of if captions else None

    def __len__(self):
        return 2

    def row(self, i):
        return self._rows[i]


@pytest.mark.parametrize(
    ("choice", "captions", "knows"), [("draw", True, True), ("first", True, False), ("draw", False, False)]
)
def test_a_tokenizer_is_made_from_all_captions_where_these_are_drawn(choice, captions, knows):
    config = SimpleNamespace(data=StreamConfig(captions=choice), model=SimpleNamespace(text=SimpleNamespace()))
    tokenizer = _made(config, SimpleNamespace(indexes=[Index(captions)]), 200, str)
    assert (tokenizer.unk_token_id in tokenizer("zzxxqq")["input_ids"]) is not knows
    assert tokenizer.unk_token_id in tokenizer("w")["input_ids"]
