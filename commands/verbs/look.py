"""The verbs that show: windows, show, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egocurate.commands.verbs.options import Json, Root, SourceName, VideosDirs, path_or_url
from egocurate.errors import InputError


def windows(
    ego4d_root: Root,
    source: SourceName = "ego4d",
    videos_dir: VideosDirs = None,
    gold: Annotated[Path | None, typer.Option("--gold", help="csv with gold segments to score against.")] = None,
    json: Json = False,
) -> None:
    """Compare the window strategies on a root.

    Example: curate windows --ego4d-root /data/ego4d
    """
    from egocurate.curation.clips.compare_windows import compare_windows
    from egocurate.curation.sources.open import open_source

    table = compare_windows(open_source(source, ego4d_root, videos_dir or ()), gold)
    print(table.to_json(orient="records") if json else table.to_string(index=False, float_format="{:.3f}".format))


def show(
    folder: Annotated[
        Path, typer.Argument(parser=path_or_url, metavar="PATH|URL", help="Shard folder or output folder.")
    ],
    key: Annotated[str, typer.Argument(help="Key of a clip, or its number in the index.")],
    out: Annotated[Path | None, typer.Option("--out", help="PNG to draw its frames into.")] = None,
) -> None:
    """Print what is known of a clip; draw its frames.

    Example: curate show /data/egoclip/shards 0 --out clip.png
    """
    from egocurate.commands.jobs.cutting import find_shard_folders
    from egocurate.commands.report.film_strip import draw_strip
    from egocurate.loaders.frame_sampling import uniform
    from egocurate.shards.read.index import ShardIndex
    from egocurate.shards.read.read_frames import BadSample, read_frames

    index = ShardIndex.open(find_shard_folders(folder)[0])
    number = int(key) if key.isdigit() else index.find(key)
    if not 0 <= number < len(index):
        raise InputError(f"{folder}: clip {key} is not there; numbers go from 0 to {len(index) - 1}")
    sample = index.row(number)
    clip = ("key", "video_uid", "clip_start", "clip_end", "clip_text", "tag_verb", "tag_noun", "frame_count", "fps")
    for name in clip:
        print(f"{name:<14} {getattr(sample, name)}")
    print(f"{'negatives':<14} {', '.join(index.row(int(n)).clip_text for n in sample.negatives[:3]) or 'none'}")
    if out:
        frames = read_frames(index, number, uniform(sample.frame_count, 8))
        if isinstance(frames, BadSample):
            raise InputError(f"{folder}: {frames}")
        draw_strip(frames, sample.clip_text, out)
        print(f"{'frames':<14} {out}")


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=path_or_url, metavar="PATH|URL", help="Output folder of `curate egoclip` and `curate egomcq`."
        ),
    ],
) -> None:
    """Write report.html into an output folder.

    Example: curate report /data/egoclip
    """
    from egocurate.commands.report import write_report

    print(write_report(folder))
