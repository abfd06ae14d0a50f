"""The verbs that look: windows, verify, show, report, doctor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egocurate.commands.exit_status import EXIT_INCOMPLETE
from egocurate.commands.verbs.options import (
    Json,
    Profile,
    Root,
    ShardClips,
    SourceKind,
    path_or_url,
)
from egocurate.console import print_summary, progress
from egocurate.errors import InputError

if TYPE_CHECKING:
    from egocurate.progress import Report
    from egocurate.storage.paths import AnyPath


def windows(
    ego4d_root: Root,
    source: SourceKind = "ego4d",
    gold: Annotated[Path | None, typer.Option("--gold", help="csv with gold segments to score against.")] = None,
    json: Json = False,
) -> None:
    """Compare the window strategies on a root.

    Example: curate windows --ego4d-root /data/ego4d
    """
    from egocurate.curation.clips.compare_windows import compare_windows
    from egocurate.curation.sources.open import open_source

    table = compare_windows(open_source(source, ego4d_root), gold)
    print(table.to_json(orient="records") if json else table.to_string(index=False, float_format="{:.3f}".format))


def verify(
    folder: Annotated[
        Path,
        typer.Argument(parser=path_or_url, metavar="PATH|URL", help="Shard folder, output folder, or egomcq.json."),
    ],
    decode: Annotated[int, typer.Option("--decode", min=0, help="Clips to decode in each folder.")] = 8,
    repair: Annotated[
        bool, typer.Option("--repair", help="Cut again what is broken; needs --ego4d-root, and touches nothing else.")
    ] = False,
    ego4d_root: Annotated[
        Path | None,
        typer.Option("--ego4d-root", "--root", parser=path_or_url, metavar="PATH|URL", help="The data to cut from."),
    ] = None,
    source: SourceKind = "ego4d",
    egoclip: Annotated[
        Path | None,
        typer.Option(
            "--egoclip", parser=path_or_url, metavar="PATH|URL", help="Table to cut from (default: the one beside)."
        ),
    ] = None,
    profile: Profile = "train",
    shard_clips: ShardClips = 256,
    json: Json = False,
) -> None:
    """Check shards, or an egomcq.json; mend shards.

    --profile and --shard-clips say how shards were cut whose manifest is lost.

    Example: curate verify /data/egoclip --repair --ego4d-root /data/ego4d
    """
    from egocurate.commands.jobs.jobs import RunOptions, find_shard_folders
    from egocurate.curation.egomcq.check import check_file

    if folder.suffix == ".json":
        folders, problems = [folder], [f"{folder}: {problem}" for problem in check_file(folder)]
    else:
        folders = find_shard_folders(folder)
        with progress(not json) as report:
            problems = [line for one in folders for line in _problems(one, decode, repair, report)]
    for problem in problems:
        print(problem, file=sys.stderr)
    summary: dict[str, object] = {"checked": len(folders), "problems": len(problems)}
    if repair:
        from egocurate.commands.jobs.repair import mend
        from egocurate.curation.sources.open import open_source

        if ego4d_root is None or folder.suffix == ".json":
            raise InputError(
                f"--repair {folder}: shards are cut again from videos; give a shard folder and --ego4d-root"
            )
        options = RunOptions(profile, shard_clips)
        with progress(not json) as report:
            mended = [mend(one, egoclip, open_source(source, ego4d_root), options, report) for one in folders]
        summary["cut_again"] = [name for one in mended for name in one.shards]
    print_summary("Verified", summary, json)
    if problems and not repair:
        raise typer.Exit(EXIT_INCOMPLETE)


def _problems(folder: AnyPath, decode: int, repair: bool, report: Report) -> list[str]:
    from egocurate.shards.check.verify import verify as verify_shards

    try:
        return [f"{folder}: {problem}" for problem in verify_shards(folder, decode, report)]
    except InputError as error:
        # No manifest or index to check against: nothing that a repair could not bring back.
        if not repair:
            raise
        return [str(error)]


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
    from egocurate.commands.jobs.jobs import find_shard_folders
    from egocurate.commands.report.film_strip import draw_strip
    from egocurate.loaders.frame_sampling import uniform
    from egocurate.shards.read.index import ShardIndex
    from egocurate.shards.read.read_frames import BadSample, read_frames

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


def doctor() -> None:
    """Tell what this machine has, and lacks, for the job.

    Example: curate doctor
    """
    from egocurate.commands.jobs.doctor import examine

    findings = examine()
    for finding in findings:
        state = "ok" if finding.good else "MISSING" if finding.needed else "absent"
        print(f"{state:<8}{finding.name:<22} {finding.what}")
    if any(not f.good and f.needed for f in findings):
        raise typer.Exit(EXIT_INCOMPLETE)
