"""The verbs that show: windows, show, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egocurate.commands.verbs.options import Json, Root, SourceName, VideosDirs, check_picture, path_or_url
from egocurate.errors import InputError

if TYPE_CHECKING:
    from egocurate.shards.read.index import ShardIndex
    from egocurate.storage.paths import AnyPath

MOST_FRAMES = 8  # that `show` draws of a clip


def windows(
    ego4d_root: Root,
    source: SourceName = "ego4d",
    videos_dir: VideosDirs = None,
    gold: Annotated[Path | None, typer.Option("--gold", help="csv with gold segments to score against.")] = None,
    json: Json = False,
) -> None:
    """Compare the window strategies on a root, and say when to take which.

    Example: curate windows --ego4d-root demo/ego4d
    """
    from egocurate.curation.clips.compare_windows import ADVICE, COLUMNS, compare_windows
    from egocurate.curation.clips.window_rules import WINDOWS
    from egocurate.curation.sources.open import open_source

    table = compare_windows(open_source(source, ego4d_root, videos_dir or ()), gold)
    if json:
        print(table.to_json(orient="records"))
        return
    print(table.to_string(index=False, float_format="{:.3f}".format))
    _print_legend("Strategies", {name: (rule.__doc__ or "").strip() for name, rule in WINDOWS.items()})
    _print_legend("Columns", {name: meaning for name, meaning in COLUMNS.items() if name in table.columns})
    print("\nWhich to take", *(f"  {line}" for line in ADVICE), sep="\n")


def show(
    folder: Annotated[
        Path, typer.Argument(parser=path_or_url, metavar="PATH|URL", help="Shard folder or output folder.")
    ],
    key: Annotated[str, typer.Argument(help="Key of a clip, or its number in the index.")],
    out: Annotated[Path | None, typer.Option("--out", help="PNG to draw its frames into.")] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", help="A run of videomae: draw what it hides of the clip, and how it fills that in."),
    ] = None,
) -> None:
    """Print what is known of a clip; draw its frames.

    Example: curate show demo/egoclip/shards 0 --out demo/clip.png
    """
    check_picture(out)
    if run and not out:
        raise InputError("--run draws: name a picture, --out FILE.png")

    from egocurate.commands.jobs.output_folder import find_shard_folders

    folders = find_shard_folders(folder)

    import numpy as np

    from egocurate.commands.report.film_strip import draw_strip
    from egocurate.loaders.frame_sampling import uniform
    from egocurate.shards.read.read_frames import BadSample, read_frames

    index, number = _find_clip(folders, key)
    sample = index.row(number)
    clip = ("key", "video_uid", "clip_start", "clip_end", "clip_text", "tag_verb", "tag_noun", "frame_count", "fps")
    for name in clip:
        print(f"{name:<14} {getattr(sample, name)}")
    for kind, label in sample.labels.items():
        name = index.label_names[kind][label] if label >= 0 else "not known"
        print(f"{f'label {kind}':<14} {label} ({name})")
    print(f"{'negatives':<14} {', '.join(index.row(int(n)).clip_text for n in sample.negatives[:3]) or 'none'}")
    if out and run:
        from egocurate.commands.report.reconstruction import draw_reconstruction  # needs torch

        draw_reconstruction(run, index, number, out)
        print(f"{'filled in':<14} {out}")
    elif out:
        shown = np.unique(uniform(sample.frame_count, MOST_FRAMES))  # of fewer frames each is drawn once
        frames = read_frames(index, number, shown)
        if isinstance(frames, BadSample):
            raise InputError(f"{folder}: {frames}")
        draw_strip(frames, sample.clip_start + shown / sample.fps, sample.clip_text, out)
        print(f"{'frames':<14} {out}")


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=path_or_url, metavar="PATH|URL", help="Output folder of `curate egoclip` and `curate egomcq`."
        ),
    ],
    beside: Annotated[
        Path | None,
        typer.Option(
            "--beside",
            parser=path_or_url,
            metavar="PATH|URL",
            help="Another output folder: its charts next to these, and the settings that differ.",
        ),
    ] = None,
) -> None:
    """Write report.html into an output folder: charts, timelines, clips that play.

    With --beside, write report-beside-<name>.html.

    Example: curate report demo/egoclip
    """
    from egocurate.commands.jobs.output_folder import find_clip_table

    for one in (folder, beside):
        if one is not None:
            find_clip_table(one)

    from egocurate.commands.report import write_comparison, write_report

    print(write_report(folder) if beside is None else write_comparison(folder, beside))


def _print_legend(title: str, meanings: dict[str, str]) -> None:
    print(f"\n{title}")
    for name, meaning in meanings.items():
        print(f"  {name:<16} {meaning}")


def _find_clip(folders: list[AnyPath], key: str) -> tuple[ShardIndex, int]:
    """Return the index that has a clip, and its number there; a number counts in the first folder."""
    from egocurate.shards.read.index import ShardIndex

    indexes = [ShardIndex.open(folder) for folder in folders]
    if key.isdigit():
        if int(key) >= len(indexes[0]):
            last = len(indexes[0]) - 1
            raise InputError(f"{folders[0]}: clip {key} is not there; numbers go from 0 to {last}")
        return indexes[0], int(key)
    for index in indexes:
        number = index.get(key)
        if number is not None:
            return index, number
    raise InputError(f"{folders[0]}: no clip has the key {key!r}; the search box of `curate report` finds keys by text")
