"""The verbs that show: windows, show, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egocurate.commands.verbs.options import (
    MCQ_HINT,
    Json,
    McqJson,
    McqShards,
    Root,
    SourceName,
    VideosDirs,
    check_file,
    check_pair,
    check_picture,
    check_run,
    check_shards,
    check_torch,
    path_or_url,
)
from egocurate.errors import InputError

if TYPE_CHECKING:
    from egocurate.shards.read.caption_columns import Caption
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

    opened = open_source(source, ego4d_root, videos_dir or ())
    if opened.segmented:
        raise InputError(f"--source {source}: its clips have their own start and end; windows are for points in time")
    table = compare_windows(opened, gold)
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
    attention: Annotated[
        bool, typer.Option("--attention", help="With --run, of any model: draw where it looks in the clip.")
    ] = False,
) -> None:
    """Print what is known of a clip; draw its frames.

    Example: curate show demo/egoclip/shards 0 --out demo/clip.png

    With --attention, frames are bright where the model looks: where [CLS], or what pools the tokens, reads them.

    Example: curate show demo/egoclip/shards 0 --run demo/run --attention --out demo/looks.png
    """
    check_picture(out)
    if attention and not run:
        raise InputError("--attention is of a model: name its run, --run RUN")
    if run and not out:
        raise InputError("--run draws: name a picture, --out FILE.png")

    from egocurate.commands.output.output_folder import find_shard_folders

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
    for place, caption in enumerate(index.captions.of(number) if index.captions else [], 1):
        print(f"{f'caption {place}':<14} {caption.clip_text} ({_said_by(caption)})")
    for kind, label in sample.labels.items():
        name = index.label_names[kind][label] if label >= 0 else "not known"
        print(f"{f'label {kind}':<14} {label} ({name})")
    print(f"{'negatives':<14} {', '.join(index.row(int(n)).clip_text for n in sample.negatives[:3]) or 'none'}")
    if out and run and attention:
        from egocurate.commands.report.attention import draw_attention  # needs torch

        draw_attention(run, index, number, out)
        print(f"{'looks at':<14} {out}")
    elif out and run:
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
            parser=path_or_url,
            metavar="PATH|URL",
            help="Output folder of `curate egoclip` and `curate egomcq`, or the folder of a training run.",
        ),
    ],
    other: Annotated[
        Path | None,
        typer.Argument(
            parser=path_or_url,
            metavar="[OTHER]",
            help="Another of the same kind: its charts next to these, and the settings that differ.",
            show_default=False,
        ),
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option("--beside", parser=path_or_url, metavar="PATH|URL", help="The same as OTHER."),
    ] = None,
    mcq_json: McqJson = "",
    mcq_shards: McqShards = "",
    questions: Annotated[
        int, typer.Option("--questions", min=1, help="Of a run: how many questions it answers for the page.")
    ] = 300,
) -> None:
    """Write report.html into a folder: of clips, or of a training run.

    \b
    Examples:
      curate report demo/egoclip
      curate report demo/egoclip mine
      curate report demo/run
      curate report demo/run runs/first

    With OTHER it is report-beside-<name>.html: both side by side, on the same scales. Of an output folder the page has
    charts, timelines and clips that play. Of a run it has curves, the answers to EgoMCQ that its newest checkpoint is
    most and least sure of, which verbs it takes for which, and the nearest clips of some texts; of a VideoMAE, clips
    that it fills in. The questions are the run's own unless --mcq-json and --mcq-shards name others.
    """
    from egocurate.commands.output.output_folder import find_clip_table, is_run

    if other is not None and beside is not None:
        raise InputError(f"{other} and --beside {beside}: two folders are compared; name one of them")
    beside = other or beside
    if beside is not None and is_run(folder) != is_run(beside):
        raise InputError(
            f"{folder} and {beside}: a training run and a folder of clips cannot be compared; give two alike"
        )
    if is_run(folder):
        if beside is not None:
            _compare_runs(folder, beside)
            return
        _report_run(folder, mcq_json, mcq_shards, questions)
        return
    if mcq_json or mcq_shards:
        raise InputError(f"--mcq-json and --mcq-shards are for the report of a training run, which {folder} is not")
    for one in (folder, beside):
        if one is not None:
            find_clip_table(one)

    from egocurate.commands.report import write_comparison, write_report

    print(write_report(folder) if beside is None else write_comparison(folder, beside))


def _compare_runs(run: Path, other: Path) -> None:
    check_torch()
    for one in (run, other):
        check_run(one, [])

    from egocurate.commands.run_report import write_run_comparison

    print(write_run_comparison(run, other))


def _report_run(run: Path, mcq_json: str, mcq_shards: str, questions: int) -> None:
    check_torch()
    check_pair("--mcq-json", mcq_json, "--mcq-shards", mcq_shards)
    check_shards("--mcq-shards", mcq_shards)
    check_file("--mcq-json", mcq_json, MCQ_HINT)
    check_run(run, [])

    from egocurate.commands.run_report import write_run_report
    from egocurate.console import progress

    with progress() as report:
        page, already_there = write_run_report(run, mcq_json, mcq_shards, questions, report)
    print(f"{page}{' (already there, unchanged)' if already_there else ''}")


def _said_by(caption: Caption) -> str:
    """Say who wrote a caption, what it is tagged with and, unless it is 1, its weight."""
    tags = f"{caption.kind}, verbs {caption.tag_verb.tolist()}, nouns {caption.tag_noun.tolist()}"
    return tags if caption.weight == 1 else f"{tags}, weight {caption.weight:g}"


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
