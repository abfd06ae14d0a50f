"""The `curate` command: one verb a step, from an Ego4D root to shards that train a model.

Every verb imports what it needs when it runs, so that `curate --help` answers at once.
"""

from __future__ import annotations

import errno
import sys

import typer
import typer.core

from egocurate.commands.verbs.build import egoclip, egomcq, export, segments, shards
from egocurate.commands.verbs.demo import demo
from egocurate.commands.verbs.look import doctor, report, show, verify, windows
from egocurate.commands.verbs.options import EXIT_INCOMPLETE, EXIT_INPUT, EXIT_INTERRUPTED
from egocurate.errors import ClusterLost, DiskFull, InputError, StoreError


class Interrupted(Exception):  # noqa: N818 (it is no error)
    """Ctrl-C, on its way to `main` past the argument parser, which would say "Aborted"."""


class Verbs(typer.core.TyperGroup):
    """The group of verbs; tells a Ctrl-C apart from an aborted prompt."""

    def invoke(self, ctx: typer.Context) -> object:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None


app = typer.Typer(
    cls=Verbs,
    help="From Ego4D narrations to a trained video-language model: clips, questions, shards.",
    epilog="Start with `curate demo --out demo/`: everything, on invented videos, in a few minutes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

for verb in (egoclip, egomcq, shards, segments, export, windows, verify, show, report, doctor, demo):
    app.command()(verb)


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit 2."""
    try:
        app()
    except (DiskFull, StoreError, ClusterLost) as error:
        code = _say(error, EXIT_INCOMPLETE)
    except InputError as error:
        code = _say(error, EXIT_INPUT)
    except Interrupted:
        code = _say("interrupted; what is finished is kept, and the same command goes on from there", EXIT_INTERRUPTED)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        code = _say(
            f"{error.filename or 'output folder'}: {error.strerror}; free space or name another --out", EXIT_INCOMPLETE
        )
    sys.exit(code)


def _say(error: object, code: int) -> int:
    print(f"curate: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
