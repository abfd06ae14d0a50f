"""The verbs that give shards other classes: lexicon, tag."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egocurate.commands.verbs.options import Json, Out, check_folder, check_out, finish, path_or_url
from egocurate.console import progress


def lexicon(
    sources: Annotated[
        list[Path],
        typer.Argument(
            parser=path_or_url, metavar="SOURCES...", help="EgoClip folders, clip tables, or folders of shards."
        ),
    ],
    out: Out,
    json: Json = False,
) -> None:
    """Build one lexicon, verb and noun classes, over the texts of several sources.

    OUT gets narration_verb_taxonomy.csv and narration_noun_taxonomy.csv, to be read, edited, and passed to --lexicon.

    Example: curate lexicon demo/egoclip --out demo/lexicon
    """
    check_out(out, "lexicon")

    from egocurate.commands.jobs.tags import run_lexicon

    with progress(not json) as report:
        outcome = run_lexicon(sources, out, report)
    finish("Lexicon", outcome, json)


def tag(
    folder: Annotated[
        Path,
        typer.Argument(parser=path_or_url, metavar="SHARDS", help="Folder of shards, or an EgoClip folder with some."),
    ],
    lexicon: Annotated[
        Path,
        typer.Option(
            "--lexicon", parser=path_or_url, metavar="PATH|URL", help="Folder with both csv files of classes."
        ),
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What the tags are called (default: as the lexicon's folder).")
    ] = "",
    json: Json = False,
) -> None:
    """Tag the clips of shards with the classes of a lexicon, without cutting them again.

    The tags stand beside the index, in tags-NAME.parquet and tags-NAME.json, and `--set data.tags=NAME` learns from
    them; without that, the index's own count.

    Example: curate tag demo/egoclip --lexicon demo/egoclip/lexicon --name again
    """
    check_folder("--lexicon", str(lexicon))

    from egocurate.commands.jobs.tags import run_tag

    with progress(not json) as report:
        outcome = run_tag(folder, lexicon, name, report)
    finish("Tagged", outcome, json)
