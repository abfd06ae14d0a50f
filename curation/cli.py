"""The `curate` command: one verb a step, from an Ego4D root to shards that train a model.

Every verb imports what it needs when it runs, so that `curate --help` answers at once.
"""

from __future__ import annotations

import errno
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import typer.core

from curation.console import print_summary, progress
from shards.errors import DiskFull, InputError

EXIT_INPUT, EXIT_INCOMPLETE, EXIT_INTERRUPTED = 2, 3, 130


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


class Videos(StrEnum):
    """Where EgoMCQ takes its videos from."""

    val = "val"
    all = "all"


class Sources(StrEnum):
    """Kinds of data sets: keys of `curation.sources.opening.SOURCES`."""

    ego4d = "ego4d"
    epic_kitchens = "epic-kitchens"
    table = "table"


Root = Annotated[
    Path,
    typer.Option(
        "--ego4d-root",
        "--root",
        help="The data: what the `ego4d` download made; a folder with EPIC_100_*.csv and videos; or a table.",
    ),
]
SourceKind = Annotated[
    Sources,
    typer.Option("--source", help="What the root is; a table has columns video, time, text (csv or parquet)."),
]
Out = Annotated[Path, typer.Option("--out", help="Folder to write; made if absent.")]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")]
Profile = Annotated[str, typer.Option("--profile", help="How clips are encoded.")]
ShardClips = Annotated[int, typer.Option("--shard-clips", min=1, help="Clips in one tar, about.")]
RayAddress = Annotated[
    str | None, typer.Option("--ray-address", help="A running Ray cluster, e.g. auto or ray://head:10001.")
]
TablesOnly = Annotated[bool, typer.Option("--tables-only", help="Stop before the video work.")]
Lexicon = Annotated[
    str,
    typer.Option(
        "--lexicon", help="auto (the root's taxonomy, else wordnet), wordnet, or a folder with both csv files."
    ),
]
Window = Annotated[str, typer.Option("--window", help="Window strategy; `curate windows` lists them side by side.")]
Alpha = Annotated[str, typer.Option("--alpha", help="Seconds, or auto: the mean gap of this run.")]


@app.command()
def egoclip(
    ego4d_root: Root,
    out: Out,
    source: SourceKind = Sources.ego4d,
    window: Window = "egoclip",
    alpha: Alpha = "4.9",
    lexicon: Lexicon = "auto",
    min_clip_seconds: Annotated[
        float, typer.Option("--min-clip-seconds", min=0, help="Leave shorter clips out.")
    ] = 0.0,
    without_filter: Annotated[
        list[str] | None, typer.Option("--without-filter", help="Switch a filter off by name; may be repeated.")
    ] = None,
    fho_multi: Annotated[
        bool, typer.Option("--fho-multi", help="Leave videos out whose hand-object clips have several splits, too.")
    ] = False,
    tables_only: TablesOnly = False,
    profile: Profile = "train",
    shard_clips: ShardClips = 256,
    ray_address: RayAddress = None,
    json: Json = False,
) -> None:
    """Build EgoClip: windows, tags, negatives, then shards.

    Example: curate egoclip --ego4d-root /data/ego4d --out /data/egoclip
    """
    from curation.config import DEFAULT_FILTERS, FILTERS, EgoClipConfig
    from curation.jobs import RunOptions, run_egoclip
    from curation.sources.opening import open_source

    unknown = sorted(set(without_filter or ()) - set(DEFAULT_FILTERS))
    if unknown:
        raise InputError(f"--without-filter {unknown[0]}: no such filter; there are {', '.join(DEFAULT_FILTERS)}")
    config = EgoClipConfig(
        window=window,
        alpha=_alpha(alpha),
        filters=tuple(f for f in (FILTERS if fho_multi else DEFAULT_FILTERS) if f not in (without_filter or ())),
        min_clip_seconds=min_clip_seconds,
    )
    options = RunOptions(profile, shard_clips, tables_only, ray_address)
    with progress(not json) as report:
        outcome = run_egoclip(open_source(source, ego4d_root), out, config, lexicon, options, report)
    _finish("EgoClip", outcome, json)


@app.command()
def egomcq(
    ego4d_root: Root,
    out: Out,
    source: SourceKind = Sources.ego4d,
    egoclip: Annotated[
        Path | None,
        typer.Option("--egoclip", help="EgoClip whose videos must not be asked about (default: the one in --out)."),
    ] = None,
    videos: Annotated[Videos, typer.Option("--videos", help="val: benchmark val videos; all: any video.")] = Videos.val,
    inter: Annotated[int, typer.Option("--inter", min=0, help="Questions over five videos.")] = 24_000,
    intra: Annotated[int, typer.Option("--intra", min=0, help="Questions within one video.")] = 15_000,
    seed: Annotated[int, typer.Option("--seed", help="Fixes the questions.")] = 0,
    window: Window = "egoclip",
    alpha: Alpha = "4.9",
    lexicon: Lexicon = "auto",
    tables_only: TablesOnly = False,
    profile: Profile = "train",
    shard_clips: ShardClips = 256,
    ray_address: RayAddress = None,
    json: Json = False,
) -> None:
    """Build EgoMCQ: five-way questions from unseen videos.

    Example: curate egomcq --ego4d-root /data/ego4d --out /data/egoclip
    """
    from curation.config import EgoMCQConfig
    from curation.jobs import RunOptions, run_egomcq
    from curation.sources.opening import open_source

    config = EgoMCQConfig(videos=videos.value, inter=inter, intra=intra, seed=seed, window=window, alpha=_alpha(alpha))
    options = RunOptions(profile, shard_clips, tables_only, ray_address)
    with progress(not json) as report:
        outcome = run_egomcq(open_source(source, ego4d_root), out, config, egoclip, lexicon, options, report)
    _finish("EgoMCQ", outcome, json)


@app.command()
def shards(
    egoclip: Annotated[
        Path, typer.Option("--egoclip", help="EgoClip folder, egoclip.csv as published, or a parquet table.")
    ],
    ego4d_root: Root,
    out: Out,
    source: SourceKind = Sources.ego4d,
    profile: Profile = "train",
    shard_clips: ShardClips = 256,
    ray_address: RayAddress = None,
    json: Json = False,
) -> None:
    """Cut the clips of a table into tar shards.

    Example: curate shards --egoclip egoclip.csv --ego4d-root /data/ego4d --out /data/shards
    """
    from curation.jobs import RunOptions, run_shards
    from curation.sources.opening import open_source

    options = RunOptions(profile, shard_clips, ray_address=ray_address)
    with progress(not json) as report:
        outcome = run_shards(egoclip, open_source(source, ego4d_root), out, options, report)
    _finish("Shards", outcome, json)


@app.command()
def segments(
    ego4d_root: Root,
    out: Out,
    source: SourceKind = Sources.ego4d,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Length of a clip.")] = 4.0,
    stride: Annotated[float, typer.Option("--stride", min=0.1, help="From one clip's start to the next.")] = 4.0,
    profile: Profile = "train",
    shard_clips: ShardClips = 256,
    ray_address: RayAddress = None,
    json: Json = False,
) -> None:
    """Cut whole videos into text-free clips.

    Example: curate segments --ego4d-root /data/ego4d --out /data/segments --seconds 4 --stride 4
    """
    from curation.jobs import RunOptions, run_segments
    from curation.sources.opening import open_source

    options = RunOptions(profile, shard_clips, ray_address=ray_address)
    with progress(not json) as report:
        outcome = run_segments(open_source(source, ego4d_root), out, seconds, stride, options, report)
    _finish("Segments", outcome, json)


@app.command()
def windows(
    ego4d_root: Root,
    source: SourceKind = Sources.ego4d,
    gold: Annotated[Path | None, typer.Option("--gold", help="csv with gold segments to score against.")] = None,
    json: Json = False,
) -> None:
    """Compare the window strategies on a root.

    Example: curate windows --ego4d-root /data/ego4d
    """
    from curation.compare_windows import compare_windows
    from curation.sources.opening import open_source

    table = compare_windows(open_source(source, ego4d_root), gold)
    print(table.to_json(orient="records") if json else table.to_string(index=False, float_format="{:.3f}".format))


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="Shard folder, output folder, or egomcq.json.")],
    decode: Annotated[int, typer.Option("--decode", min=0, help="Clips to decode in each folder.")] = 8,
    json: Json = False,
) -> None:
    """Check shards, or an egomcq.json.

    Example: curate verify /data/egoclip
    """
    from curation.egomcq_check import check_file
    from curation.jobs import find_shard_folders
    from shards.verify import verify as verify_shards

    if folder.suffix == ".json":
        checked, problems = 1, [f"{folder}: {problem}" for problem in check_file(folder)]
    else:
        folders = find_shard_folders(folder)
        with progress(not json) as report:
            problems = [f"{one}: {problem}" for one in folders for problem in verify_shards(one, decode, report)]
        checked = len(folders)
    for problem in problems:
        print(problem, file=sys.stderr)
    print_summary("Verified", {"checked": checked, "problems": len(problems)}, json)
    if problems:
        raise typer.Exit(EXIT_INCOMPLETE)


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="Shard folder or output folder.")],
    key: Annotated[str, typer.Argument(help="Key of a clip, or its number in the index.")],
    out: Annotated[Path | None, typer.Option("--out", help="PNG to draw its frames into.")] = None,
) -> None:
    """Print what is known of a clip; draw its frames.

    Example: curate show /data/egoclip/shards 0 --out clip.png
    """
    from curation.film_strip import draw_strip
    from curation.jobs import find_shard_folders
    from loaders.decode import decode
    from loaders.frames import uniform
    from shards.index import ShardIndex

    index = ShardIndex.open(find_shard_folders(folder)[0])
    number = int(key) if key.isdigit() else index.find(key)
    if not 0 <= number < len(index):
        raise InputError(f"{folder}: clip {key} is not there; numbers go from 0 to {len(index) - 1}")
    sample = index.row(number)
    for name in (
        "key",
        "video_uid",
        "clip_start",
        "clip_end",
        "clip_text",
        "tag_verb",
        "tag_noun",
        "frame_count",
        "fps",
    ):
        print(f"{name:<14} {getattr(sample, name)}")
    print(f"{'negatives':<14} {', '.join(index.row(int(n)).clip_text for n in sample.negatives[:3]) or 'none'}")
    if out:
        picked = uniform(sample.frame_count, 8)
        draw_strip(decode(index.read_video(number), picked).numpy(), sample.clip_text, out)
        print(f"{'frames':<14} {out}")


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Output folder of `curate egoclip` and `curate egomcq`.")],
) -> None:
    """Write report.html into an output folder.

    Example: curate report /data/egoclip
    """
    from curation.report import write_report

    print(write_report(folder))


@app.command()
def doctor() -> None:
    """Tell what this machine has, and lacks, for the job."""
    from curation.doctor import Finding, examine
    from loaders.decode import DECODERS, load

    decoders = {name: load(name) for name in DECODERS}
    findings = [
        *examine(),
        *(
            Finding(f"decoder {name}", one.frames is not None, one.note, name == "pyav")
            for name, one in decoders.items()
        ),
    ]
    for finding in findings:
        state = "ok" if finding.good else "MISSING" if finding.needed else "absent"
        print(f"{state:<8}{finding.name:<22} {finding.what}")
    if any(not f.good and f.needed for f in findings):
        raise typer.Exit(EXIT_INCOMPLETE)


@app.command()
def demo(
    out: Out = Path("demo"),
    json: Json = False,
) -> None:
    """Run the whole way on invented videos.

    Example: curate demo --out demo/
    """
    from curation.demo import run_demo
    from curation.report import write_report
    from train import train_demo

    with progress(not json) as on_progress:
        rows = run_demo(out, train_demo, on_progress)
    rows["report"] = str(write_report(out / "egoclip"))
    print_summary("Demo", rows, json)
    if not json:
        print("\nOn a real Ego4D root:\n  curate egoclip --ego4d-root /path/to/ego4d --out /path/to/egoclip")
        print("  curate egomcq  --ego4d-root /path/to/ego4d --out /path/to/egoclip")


def _alpha(text: str) -> float | str:
    if text == "auto":
        return text
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise InputError(f"--alpha {text}: give seconds above 0, or auto")
    return seconds


def _finish(title: str, outcome: object, as_json: bool) -> None:
    print_summary(title, outcome.summary, as_json)
    if not outcome.whole:
        raise typer.Exit(EXIT_INCOMPLETE)


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit 2."""
    try:
        app()
    except DiskFull as error:
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
