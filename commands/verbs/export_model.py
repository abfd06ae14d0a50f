"""The verb that gives a model away: export-model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from egocurate.commands.verbs.options import (
    Changes,
    RecipeOfWeights,
    Run,
    Weights,
    check_changes,
    check_out_here,
    check_source,
    check_torch,
    explain_choices,
)
from egocurate.training.export.forms import FORMS


def export_model(
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="Folder for the model, made if absent.")],
    run: Run = None,
    to: Annotated[
        Literal[*FORMS], typer.Option("--to", help=f"Whose code is to read it. {explain_choices(FORMS)}")
    ] = "safetensors",
    weights: Weights = "",
    recipe: RecipeOfWeights = "",
    change: Changes = None,
) -> None:
    """Write a trained model to a folder to give away: its weights, its tokenizer, and a card.

    \b
    Examples:
      curate export-model demo/run --out demo/model
      curate export-model demo/run --to egovlp --out demo/for-egovlp
      curate export-model --weights VideoMAE.pth --to hf --out models/videomae

    It is the newest checkpoint of RUN, without the optimizer and without the paths of this machine. README.md in OUT
    tells what it is, what it has learned from, its figures, and how it is opened. Of --to safetensors the folder may
    stand in place of RUN in every verb, and egocurate.load_model reads it.
    """
    check_torch()
    check_out_here(out, "export-model")
    changes = check_changes(change)
    source = check_source(run, weights, recipe, changes)

    from egocurate.training.export.save_model import save_source

    saved = save_source(source, out, to, tuple(changes))
    for name, size in saved.files.items():
        print(f"  {name:<32} {size / 1e3:12,.1f} kB")
    state = (
        "already there, unchanged" if saved.already_there else f"for {FORMS[to].library}; README.md says how to open it"
    )
    print(f"{saved.folder}: {state}")
