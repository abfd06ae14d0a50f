"""Texts as VideoPrism's text tower has learned them."""

from __future__ import annotations

import string

_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation, " "))


def canonical_text(text: str) -> str:
    """Return a text without ASCII's punctuation, in lower case, a space between words and a period at the end.

    The rule of the released code (its `canonicalize_text`): "Cuts the onion, twice" is "cuts the onion twice.".
    """
    return " ".join(text.translate(_PUNCTUATION).lower().split()) + "."
