"""Options that several verbs share, and how a verb ends."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from egocurate.commands.exit_status import EXIT_INCOMPLETE
from egocurate.console import print_summary
from egocurate.curation.config import WINDOWS, ScoreRange
from egocurate.curation.sources.open import SOURCES
from egocurate.errors import InputError
from egocurate.shards.profiles import PROFILES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from egocurate.commands.jobs.cutting import Outcome
    from egocurate.curation.sources import Source
    from egocurate.curation.sources.open import SourceKind
    from egocurate.shards.export.chunk_layouts import ChunkLayout
    from egocurate.shards.profiles import Profile
    from egocurate.storage.paths import AnyPath
    from egocurate.training.run.model_source import ModelSource


def path_or_url(text: str) -> AnyPath:
    """Read a folder, a file or a URL off the command line."""
    from egocurate.storage.paths import as_path

    return as_path(text)


def explain_choices(choices: Mapping[str, Profile | ChunkLayout | SourceKind]) -> str:
    """Return a line for the help of an option: each choice of a registry, and what it is for."""
    return "; ".join(f"{name}: {one.help}" for name, one in choices.items()) + "."


Root = Annotated[
    Path,
    typer.Option(
        "--ego4d-root",
        "--root",
        parser=path_or_url,
        metavar="PATH|URL",
        help="The data, narrations and videos: of the kind that --source names.",
    ),
]
NarrationRoot = Annotated[
    Path,
    typer.Option(
        "--ego4d-root",
        "--root",
        "--csv",
        parser=path_or_url,
        metavar="PATH|URL",
        help="The data, narrations and videos: of the kind that --source names.",
    ),
]
SourceName = Annotated[
    Literal[*SOURCES], typer.Option("--source", help=f"What the root is. {explain_choices(SOURCES)}")
]
VideosDirs = Annotated[
    list[Path] | None,
    typer.Option(
        "--videos-dir",
        parser=path_or_url,
        metavar="PATH|URL",
        help="Folder to look for <video_uid>.mp4 in, before the root; may be repeated.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 3 if clips wait for videos that are not on disk.")]
RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed", help="Try clips again that could not be cut, also where their video has not changed since."
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out", parser=path_or_url, metavar="PATH|URL", help="Folder to write, or s3:// URL; made if absent."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")]
ProfileName = Annotated[
    Literal[*PROFILES], typer.Option("--profile", help=f"How clips are stored. {explain_choices(PROFILES)}")
]
ShardClips = Annotated[int, typer.Option("--shard-clips", min=1, help="Clips in one tar, about.")]
RayAddress = Annotated[
    str | None, typer.Option("--ray-address", help="A running Ray cluster, e.g. auto or ray://head:10001.")
]
Labels = Annotated[
    str,
    typer.Option(
        "--labels", metavar="A,B", help="Columns of labels, e.g. verb,noun (default: label, or those of the format)."
    ),
]
LabelNamesFrom = Annotated[
    list[str] | None,
    typer.Option(
        "--label-names",
        metavar="FOLDER|FILE",
        help="Shards whose classes these are to be, or a file of names (KIND=FILE where there are several kinds).",
    ),
]
TablesOnly = Annotated[bool, typer.Option("--tables-only", help="Stop before the video work.")]
Lexicon = Annotated[
    str,
    typer.Option(
        "--lexicon", help="auto (the root's taxonomy, else wordnet), wordnet, or a folder with both csv files."
    ),
]
Window = Annotated[
    Literal[*WINDOWS], typer.Option("--window", help="Window strategy; `curate windows` lists them side by side.")
]
Alpha = Annotated[str, typer.Option("--alpha", help="Seconds, or auto: the mean gap of this run.")]

Run = Annotated[
    Path | None, typer.Argument(metavar="RUN", help="Folder of a training run, or of a model given away; or --weights.")
]
Weights = Annotated[
    str,
    typer.Option(
        "--weights",
        metavar="PATH|NAME",
        help="In place of RUN: weights that their authors published, a file, a folder of transformers or a hub name.",
    ),
]
RecipeOfWeights = Annotated[
    str, typer.Option("--recipe", metavar="NAME", help="Whose settings --weights are used with (default: their own).")
]
McqJson = Annotated[str, typer.Option("--mcq-json", metavar="PATH", help="EgoMCQ's questions, egomcq.json.")]
McqShards = Annotated[
    str, typer.Option("--mcq-shards", metavar="PATH|URL", help="Folder of shards with the clips of the questions.")
]
MCQ_HINT = "give the egomcq.json that `curate egomcq` wrote"
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated.")
]


def read_alpha(text: str) -> float | str:
    """Return seconds or "auto"; raises InputError."""
    if text == "auto":
        return text
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise InputError(f"--alpha {text}: give seconds above 0, or auto")
    return seconds


def read_score_ranges(least: Sequence[str], most: Sequence[str]) -> tuple[ScoreRange, ...]:
    """Return what --min-score and --max-score ask for, a range for each score; raises InputError."""
    from egocurate.curation.sources.cells import decimal

    bounds: dict[str, dict[str, float]] = {}
    for option, side, texts in (("--min-score", "least", least), ("--max-score", "most", most)):
        for text in texts:
            name, _, value = text.partition("=")
            bound = decimal(value)
            if math.isnan(bound):
                raise InputError(f"{option} {text}: write NAME=NUMBER, as dover_score=0.5")
            bounds.setdefault(name.strip(), {})[side] = bound
    return tuple(ScoreRange(name, **sides) for name, sides in bounds.items())


def refuse_windows(ctx: typer.Context, source: Source) -> None:
    """Raise InputError if a strategy for windows is asked for where every clip has its own start and end."""
    for name in ("window", "alpha"):
        given = ctx.get_parameter_source(name)
        if source.segmented and given is not None and given.name != "DEFAULT":
            raise InputError(
                f"--{name} {ctx.params[name]}: the clips of --source {ctx.params['source']} have their own start and "
                f"end, which are kept as published; leave --{name} out"
            )


def check_lexicon(lexicon: str) -> None:
    """Raise InputError for a folder of dictionaries that is not there."""
    if lexicon not in ("auto", "wordnet"):
        check_folder("--lexicon", lexicon)


def label_kinds(labels: str) -> tuple[str, ...]:
    """Return the kinds of labels that --labels names."""
    return tuple(kind.strip().lower() for kind in labels.split(",") if kind.strip())


def finish(title: str, outcome: Outcome, as_json: bool) -> None:
    """Print what a job did; ends the process as incomplete if something failed."""
    print_summary(title, outcome.summary, as_json)
    if not outcome.whole:
        raise typer.Exit(EXIT_INCOMPLETE)


def check_pair(one: str, its_value: str, other: str, other_value: str) -> None:
    """Raise InputError if one of two options that go together is given without the other."""
    if bool(its_value) != bool(other_value):
        raise InputError(f"{one} needs {other}" if its_value else f"{other} needs {one}")


def check_torch() -> None:
    """Raise ModuleNotFoundError if there is no torch, without the seconds that importing it takes."""
    if find_spec("torch") is None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")


def check_shards(option: str, where: str) -> None:
    """Raise InputError if a folder of this machine that an option names ("": none) holds no finished shards."""
    check_folder(option, where)
    from egocurate.shards.manifest import read_manifest
    from egocurate.storage.paths import as_path, is_remote

    if where and not is_remote(as_path(where)):
        read_manifest(where)


def check_file(option: str, where: str, hint: str) -> None:
    """Raise InputError if a file of this machine that an option names ("": none) is not there."""
    from egocurate.storage.paths import as_path, is_remote

    path = as_path(where)
    if where and not is_remote(path) and not path.is_file():
        raise InputError(f"{option} {where}: there is no such file; {hint}")


def check_folder(option: str, where: str) -> None:
    """Raise InputError if a folder of this machine that an option names ("": none) is not there."""
    from egocurate.storage.paths import as_path, is_remote

    path = as_path(where)
    if where and not is_remote(path) and not path.is_dir():
        raise InputError(f"{option} {where}: there is no such folder")


def check_out(out: AnyPath, verb: str, root: AnyPath | None = None) -> None:
    """Raise InputError if nothing can be written at `out`, if it is the root, or holds what another verb writes."""
    from egocurate.commands.output.output_kinds import refuse_other_kind
    from egocurate.storage.paths import check_output, is_remote

    if root is not None:
        here = not (is_remote(out) or is_remote(root))
        if out == root or (here and out.resolve() == root.resolve()):
            raise InputError(f"--out {out}: is the root itself; name a folder of its own")
    check_output(out)
    refuse_other_kind(out, verb)


def check_out_here(out: str | Path, verb: str) -> None:
    """Raise InputError as `check_out` does, and for a URL: runs and features are files of this machine."""
    from egocurate.storage.paths import as_path, is_remote

    path = as_path(out)
    if is_remote(path):
        raise InputError(f"--out {path}: name a folder of this machine")
    check_out(path, verb)


def check_picture(out: Path | None) -> None:
    """Raise InputError if there can be no file at `out`."""
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise InputError(f"--out {out}: " + ("is a folder" if out.is_dir() else f"there is no folder {out.parent}"))


def check_source(run: Path | None, weights: str, recipe: str, changes: list[str]) -> ModelSource:
    """Return what RUN or --weights names; raises InputError if neither or both do, or one that cannot be used."""
    if (run is None) == (not weights):
        raise InputError("name one model: RUN, the folder of a training run, or --weights FILE")
    if recipe and not weights:
        raise InputError(f"--recipe {recipe}: a run has its own; it goes with --weights")
    from egocurate.models.released_names import is_encoder_folder, is_hub_name, is_weights_file
    from egocurate.training.config.recipes import RECIPES

    if recipe and recipe not in RECIPES:
        raise InputError(f"--recipe {recipe}: there are {', '.join(RECIPES)}")
    if run is not None:
        if is_weights_file(run) or is_encoder_folder(run):
            raise InputError(f"{run}: weights that others published, not the OUT of a training run: --weights {run}")
        check_run(run, changes)
    elif Path(weights).is_dir() and not is_encoder_folder(weights):
        raise InputError(
            f"--weights {weights}: the folder has no config.json of transformers; give one that has, or a file"
        )
    elif not is_hub_name(weights) and not is_encoder_folder(weights):
        check_file("--weights", weights, "give a file or folder that its authors published, or a name on the hub")
    from egocurate.training.run.model_source import source_of

    return source_of(weights or run, recipe)


def check_run(run: Path, changes: list[str]) -> None:
    """Raise InputError if a folder holds no model, or the model has not the settings that are to be changed."""
    if not run.is_dir():
        raise InputError(f"{run}: there is no such folder; give the OUT of a training run")
    from egocurate.training.run.checkpoint_folders import is_saved_model

    if is_saved_model(run):
        from egocurate.training.export.saved_config import read_saved

        read_saved(run, changes)
        return
    from egocurate.training.run.run_folder import read_run

    read_run(run, changes)


def check_changes(changes: list[str] | None) -> list[str]:
    """Return the changes to settings, none for None; raises InputError for one that is not KEY=VALUE."""
    for change in changes or ():
        if "=" not in change:
            raise InputError(f"--set {change}: write key=value")
    return changes or []
