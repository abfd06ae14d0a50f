"""The verb that finds what videos show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egocurate.commands.exit_status import EXIT_INCOMPLETE
from egocurate.commands.verbs.options import (
    Changes,
    RecipeOfWeights,
    Weights,
    check_changes,
    check_out_here,
    check_source,
    check_torch,
)
from egocurate.errors import InputError

INDEX = "search-index"


def search(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN TEXT...", help="Folder of a training run (none with --weights), and what to find."),
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(
            "--videos",
            metavar="PATH",
            help="Folder of videos, or a text file with a path on each line: those that are not in the index yet, or "
            "have changed, are embedded first. Left out: search what is in it.",
        ),
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option("--index", metavar="PATH", help=f"Folder of the index (default: {INDEX} in RUN)."),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Hits for each text.")] = 10,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the hits as JSON.")] = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", metavar="FILE", help="Write a PNG with a strip of film of each hit.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--page", metavar="FILE", help="Write one HTML file that plays the hits.")
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Open a search box in the browser of this machine.")] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of --serve; 0 takes any that is free.")
    ] = 0,
    window: Annotated[
        float | None, typer.Option("--window", help="Seconds that a window of the index shows (default: 1).")
    ] = None,
    stride: Annotated[
        float | None, typer.Option("--stride", help="Seconds from one window to the next (default: 0.5).")
    ] = None,
    nlq: Annotated[
        Path | None,
        typer.Option("--nlq", metavar="PATH", help="A run of `curate nlq`, which then tells where hits begin and end."),
    ] = None,
    weights: Weights = "",
    recipe: RecipeOfWeights = "",
    change: Changes = None,
) -> None:
    """Find what a text says in videos: where it begins and ends.

    \b
    Examples:
      curate search demo/run --videos demo/ego4d/v2/full_scale "lifts the cup"
      curate search demo/run "stir the bottle" "push a box" --top 5 --page found.html --sheet found.png
      curate search demo/run --serve
      curate search demo/run --index long-index --videos long/v2/full_scale --nlq runs/nlq "lift the cup"
      curate search --weights EgoVLP.pth --index fridge-index --videos /data/ego4d/v2/full_scale "opens the fridge"

    The videos are embedded once, in windows that overlap, into the index: repeat the line to go on after a stop, name
    more videos to add them. Videos that cannot be read are named and left out, and the exit status is 3.
    """
    run, texts = _run_and_texts(words or [], weights)
    _check_windows(window, stride)
    for option, file in (("--json", json), ("--sheet", sheet), ("--page", page)):
        _check_file(option, file, texts)
    if videos is not None and not videos.exists():
        raise InputError(f"--videos {videos}: neither a folder of videos nor a text file with a path on each line")
    if not (texts or videos or serve):
        raise InputError('say what to find, as in "opens the fridge", or take --serve')
    if index is None and run is None:
        raise InputError(f"--weights {weights} has no folder for an index: name one with --index")
    index = index or run / INDEX
    if nlq is not None and not nlq.is_dir():
        raise InputError(f"--nlq {nlq}: there is no such folder; `curate nlq` makes one")
    check_torch()
    changes = check_changes(change)
    source = check_source(run, weights, recipe, changes)
    check_out_here(index, "search")

    from egocurate.commands.search.job import SearchJob, run_search

    job = SearchJob(source, changes, index, videos, window, stride, texts, top, json, sheet, page, serve, port, nlq)
    if not run_search(job):
        raise typer.Exit(EXIT_INCOMPLETE)


def _run_and_texts(words: list[str], weights: str) -> tuple[Path | None, list[str]]:
    """Tell the run, which stands first unless there are --weights, from the texts; InputError for a text of nothing."""
    run, texts = (None, words) if weights else (Path(words[0]) if words else None, words[1:])
    for text in texts:
        if not text.strip():
            raise InputError(f"{text!r} says nothing to find")
    return run, list(dict.fromkeys(texts))


def _check_windows(window: float | None, stride: float | None) -> None:
    for option, seconds in (("--window", window), ("--stride", stride)):
        if seconds is not None and not 0 < seconds < float("inf"):
            raise InputError(f"{option} {seconds}: give seconds above 0")
    if window and stride and stride > window:
        raise InputError(f"--stride {stride:g}: at most the --window, {window:g}, or a part of each video is in none")


def _check_file(option: str, file: Path | None, texts: list[str]) -> None:
    """Raise InputError if a file is asked for and there can be none, or nothing is asked that could be in it."""
    if file is None:
        return
    if not texts:
        raise InputError(f"{option} {file}: give a text to find")
    if file.is_dir() or not file.parent.is_dir():
        raise InputError(
            f"{option} {file}: " + ("is a folder" if file.is_dir() else f"there is no folder {file.parent}")
        )
