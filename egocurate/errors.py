"""Errors that are the user's to solve: one line, no traceback."""

from egocurate.storage.redacted import redacted


class InputError(Exception):
    """A mistake in what was given; `str()` is one line that says what, where, which value, and the way out.

    Secrets of the URLs in it are left out.
    """

    def __init__(self, line: object) -> None:
        """Say one line."""
        super().__init__(redacted(str(line)))


class DiskFull(InputError):  # noqa: N818 (reads as what happened)
    """No space is left where the shards are written; finished shards stay and are kept by the next run."""


class StoreError(InputError):
    """An object store does not answer, or refuses; what is finished there stays and is kept."""


class ClusterLost(InputError):  # noqa: N818 (reads as what happened)
    """The Ray cluster is gone, or none of its workers can do the work; finished shards stay and are kept."""


class ProcessEnds(KeyboardInterrupt):
    """A signal is ending this process: what it has started is killed, with no more than its own files in mind."""
