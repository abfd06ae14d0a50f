"""Lists in cells of csv files, as Python prints them: of words, and of classes.

A cell is a stranger's: it is matched by a pattern, so that nothing in it nests or grows before it is read.
"""

import ast
import re

_WORD = r"""(?:'(?:[^'\\\n]|\\[\\'"nrtxuU])*'|"(?:[^"\\\n]|\\[\\'"nrtxuU])*")"""
_CLASS = r"(?:0|[1-9][0-9]{0,8})"  # fits int32


def _list_of(item: str) -> re.Pattern[str]:
    return re.compile(rf"[ \t]*\[\s*(?:{item}\s*(?:,\s*{item}\s*)*)?\]\s*", re.ASCII)


_WORDS, _CLASSES, _DIGITS = _list_of(_WORD), _list_of(_CLASS), re.compile(r"[0-9]+")


def word_list(text: str) -> list[str] | None:
    """Return the words of a list like "['take', 'pick up']", None for anything else."""
    if not _WORDS.fullmatch(text):
        return None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):  # an escape that names no character
        return None


def class_list(text: str) -> list[int] | None:
    """Return the classes of a list like "[93, 2]" as they stand there, None for anything else."""
    return [int(number) for number in _DIGITS.findall(text)] if _CLASSES.fullmatch(text) else None
