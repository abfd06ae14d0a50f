"""Errors that are the user's to solve: one line, no traceback."""

LONGEST_LINE = 900
"""Characters of a message, whatever it quotes; a terminal shows that much in a dozen lines."""

_LINE_END = 300  # of these: the end of a line has the way out


class InputError(Exception):
    """A mistake in what was given; `str()` is one line that says what, where, which value, and the way out.

    Messages quote strangers' files: what would break the line or move a terminal's cursor is written as an escape.
    """

    def __init__(self, message: object = "") -> None:
        """Keep the message as one line."""
        super().__init__(one_line(str(message)))


def one_line(text: str) -> str:
    """Return a text as one printable line of at most LONGEST_LINE characters, without its middle if it is longer."""
    line = " ".join(text.split("\n")).strip() if "\n" in text else text
    if len(line) > LONGEST_LINE:
        line = f"{line[: LONGEST_LINE - _LINE_END - 5]} ... {line[-_LINE_END:]}"
    if line.isprintable():
        return line
    line = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
    return line if len(line) <= LONGEST_LINE else one_line(line)


class DiskFull(InputError):  # noqa: N818 (reads as what happened)
    """No space is left where the shards are written; finished shards stay and are kept by the next run."""


class StoreError(InputError):
    """An object store does not answer, or refuses; what is finished there stays and is kept."""


class ClusterLost(InputError):  # noqa: N818 (reads as what happened)
    """The Ray cluster is gone, or none of its workers can do the work; finished shards stay and are kept."""


class ProcessEnds(KeyboardInterrupt):
    """A signal is ending this process: what it has started is killed, with no more than its own files in mind."""
