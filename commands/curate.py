"""The `curate` command: one verb a step, from an Ego4D root to a trained model.

Every verb imports what it needs when it runs, so that `curate --help` answers at once and a mistake in the options is
found before torch is loaded.

The command line is typer's alone. tyro and jsonargparse would make an option of each of the hundred settings of a
training run, but both need the classes of these settings, and so torch, before they can show any help, and they would
be a second style beside the verbs that cut and curate. `--set KEY=VALUE` reads the same classes when it is used, and
`curate train --settings RECIPE` prints them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, NoReturn

import typer
import typer.core

from egocurate.commands.ending import ended_by_signals
from egocurate.commands.exit_status import explain
from egocurate.commands.verbs.adopt import adopt
from egocurate.commands.verbs.captions import captions
from egocurate.commands.verbs.check import doctor, verify
from egocurate.commands.verbs.demo import demo
from egocurate.commands.verbs.evaluate import evaluate
from egocurate.commands.verbs.export_model import export_model
from egocurate.commands.verbs.features import features
from egocurate.commands.verbs.localize import mq, nlq, qfvs
from egocurate.commands.verbs.look import report, show, windows
from egocurate.commands.verbs.plan import plan
from egocurate.commands.verbs.search import search
from egocurate.commands.verbs.shards import export, segments, shards
from egocurate.commands.verbs.swap_quiz import swap_quiz
from egocurate.commands.verbs.tables import egoclip, egomcq, template
from egocurate.commands.verbs.tags import lexicon, tag
from egocurate.commands.verbs.train import train
from egocurate.errors import InputError, ProcessEnds
from egocurate.extras import way_to_install
from egocurate.storage.redacted import redacted

_GOES_ON = "what is finished is kept, and the same command goes on from there"
_HOW_TO_GO_ON = {
    "train": "the same command with --resume goes on from the newest checkpoint",
    "eval": "the same command starts again",
    "nlq": "the same command with --resume goes on from the newest epoch",
    "mq": "the same command with --resume goes on from the newest epoch",
    "qfvs": "the same command with --resume goes on from the newest epoch",
    "search": "what is in the index is kept, and the same command goes on from there",
}


def _print_version(asked: bool) -> None:
    if asked:
        from egocurate.version import __version__

        print(f"egocurate {__version__}")
        raise typer.Exit


class Interrupted(Exception):  # noqa: N818 (it is no error)
    """A signal, on its way past the argument parser, which would say "Aborted"."""


class Verbs(typer.core.TyperGroup):
    """The group of verbs; what ends one early is said in the words of that verb."""

    def invoke(self, ctx: typer.Context) -> object:
        """Run the verb; raises Interrupted for a signal, InputError for a package that only an extra brings."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None
        except ModuleNotFoundError as error:
            line = way_to_install(error.name)
            if line is None:
                raise
            raise InputError(f"{ctx.invoked_subcommand} needs {error.name}: {line}") from error


app = typer.Typer(
    cls=Verbs,
    help="From Ego4D narrations to a trained video-language model: clips, questions, shards, training.",
    epilog="Start with `curate demo --out demo/`: everything, on invented videos, in a few minutes.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


@app.callback()
def curate(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of the command itself; its help is the one given above."""


for verb in (
    egoclip,
    egomcq,
    swap_quiz,
    captions,
    shards,
    segments,
    adopt,
    lexicon,
    tag,
    export,
    windows,
    verify,
    show,
    report,
    plan,
    train,
):
    app.command()(verb)
app.command("eval")(evaluate)
for verb in (features, nlq, mq, qfvs):
    app.command()(verb)
app.command("export-model")(export_model)
for verb in (search, template, doctor, demo):
    app.command()(verb)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line, by default that of this process, and end the process; a mistake is one line on stderr.

    Of the ranks that torchrun has started only the first that fails says why.
    """
    arguments = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    with ended_by_signals(_HOW_TO_GO_ON.get(arguments[0], _GOES_ON)) as ending:
        try:
            status = app(arguments, prog_name="curate", standalone_mode=False)
        except (Exception, KeyboardInterrupt) as error:
            # A signal may have become anything on its way here, an exit of the argument parser's among it.
            status = None
            with suppress(ProcessEnds):  # or come while the error is said
                status = _say(error) if ending.signal is None else None
        if ending.signal is not None:
            ending.now(ending.signal)
    sys.exit(status or 0)


def _say(error: Exception) -> int:
    """Say what went wrong, of many ranks on the first that fails; returns the exit status, raises faults again."""
    line, status = explain(error) or (None, 1)
    if "RANK" in os.environ:
        from egocurate.training.run.errors import end_rank

        end_rank(error, line, status)
    if line is None:
        raise error
    print(f"curate: {redacted(line)}", file=sys.stderr)
    return status
