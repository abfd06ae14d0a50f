"""Leave secrets out of what is written and said: the user, the password and the query of URLs, wherever they stand.

Errors that are the user's to solve, records of runs and lines of the log pass through here; what opens a URL has it as
it was given. No list of names says which values of a query are secret: each store has its own (X-Amz-Signature, sig,
token, ...), so none is kept.
"""

import re
from typing import TypeVar

REDACTED = "REDACTED"

# The scheme is not looked at: a pattern that began with letters would try each of a long text.
_USER = re.compile(r"((?<=\w):/+)[^\s/\"<>]*@")
_URL = re.compile(r"(?<=\w):/+[^\s\"'<>]*")
_QUERY = re.compile(r"\?|#(?=\w+=)")
_AFTER = ":,.;)]}"  # what a sentence puts behind a URL

Value = TypeVar("Value")


def redacted(text: str) -> str:
    """Return a text with the user, the password and the query of each URL in it left out."""
    if ":/" not in text:
        return text
    return _URL.sub(_without_query, _USER.sub(rf"\1{REDACTED}@", text))


def redacted_values(value: Value) -> Value:
    """Return a JSON value with the secrets of all its texts left out."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {redacted_values(key): redacted_values(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(redacted_values(inner) for inner in value)
    return value


def _without_query(url: re.Match[str]) -> str:
    start = _QUERY.search(url[0])
    query = url[0][start.end() :].rstrip(_AFTER) if start else ""
    return url[0][: start.end()] + REDACTED + url[0][start.end() + len(query) :] if start and query else url[0]
