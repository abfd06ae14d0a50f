"""Leave secrets out of what is written and said: the user, the password and the query of URLs, wherever they stand.

Errors that are the user's to solve, records of runs and lines of the log pass through here; what opens a URL has it as
it was given. No list of names says which values of a query are secret: each store has its own (X-Amz-Signature, sig,
token, ...), so none is kept.
"""

import re
from typing import TypeVar

REDACTED = "REDACTED"

_SCHEME = r"[A-Za-z][\w+.-]*:/+"
_USER = re.compile(rf"({_SCHEME})[^\s/\"<>]*@")
_QUERY = re.compile(rf"({_SCHEME}[^\s?\"'<>]*?(?:\?|#(?=\w+=)))[^\s\"'<>]*[^\s\"'<>:,.;)\]}}]")

Value = TypeVar("Value")


def redacted(text: str) -> str:
    """Return a text with the user, the password and the query of each URL in it left out."""
    if ":/" not in text:
        return text
    return _QUERY.sub(rf"\1{REDACTED}", _USER.sub(rf"\1{REDACTED}@", text))


def redacted_values(value: Value) -> Value:
    """Return a JSON value with the secrets of all its texts left out."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {redacted_values(key): redacted_values(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(redacted_values(inner) for inner in value)
    return value
