"""Errors that are the user's to solve: one line, no traceback."""


class InputError(Exception):
    """A mistake in what was given; `str()` is one line that says what, where, which value, and the way out."""


class DiskFull(InputError):  # noqa: N818 (reads as what happened)
    """No space is left where the shards are written; finished shards stay and are kept by the next run."""
