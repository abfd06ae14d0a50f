"""The verbs that check: verify, doctor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egocurate.commands.exit_status import EXIT_INCOMPLETE
from egocurate.commands.verbs.options import Json, ProfileName, ShardClips, SourceName, VideosDirs, path_or_url
from egocurate.console import print_summary, progress
from egocurate.errors import InputError
from egocurate.storage.redacted import redacted

if TYPE_CHECKING:
    from egocurate.progress import Report
    from egocurate.storage.paths import AnyPath


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
    source: SourceName = "ego4d",
    videos_dir: VideosDirs = None,
    egoclip: Annotated[
        Path | None,
        typer.Option(
            "--egoclip", parser=path_or_url, metavar="PATH|URL", help="Table to cut from (default: the one beside)."
        ),
    ] = None,
    profile: ProfileName = "train",
    shard_clips: ShardClips = 256,
    json: Json = False,
) -> None:
    """Check shards, or an egomcq.json; repair shards.

    --profile and --shard-clips say how shards were cut whose manifest is lost.

    Example: curate verify demo/egoclip --repair --ego4d-root demo/ego4d
    """
    from egocurate.commands.output.output_folder import find_shard_folders

    unchecked: list[str] = []
    if folder.suffix == ".json":
        from egocurate.curation.egomcq.check import check_file, not_checked

        folders, problems = [folder], [f"{folder}: {problem}" for problem in check_file(folder)]
        unchecked = not_checked(folder)
    else:
        folders = find_shard_folders(folder)
        with progress(not json) as report:
            problems = [line for one in folders for line in _problems(one, decode, repair, report)]
    for problem in problems:
        print(redacted(problem), file=sys.stderr)
    summary: dict[str, object] = {"checked": len(folders), "problems": len(problems)}
    if unchecked:
        summary["not_checked"] = unchecked
    if repair:
        from egocurate.commands.jobs.cutting import RunOptions
        from egocurate.commands.jobs.repair import repair_folder
        from egocurate.curation.sources.open import open_source

        if ego4d_root is None or folder.suffix == ".json":
            raise InputError(
                f"--repair {folder}: shards are cut again from videos; give a shard folder and --ego4d-root"
            )
        options = RunOptions(profile, shard_clips)
        with progress(not json) as report:
            repaired = [
                repair_folder(one, egoclip, open_source(source, ego4d_root, videos_dir or ()), options, report)
                for one in folders
            ]
        summary["cut_again"] = [name for one in repaired for name in one.shards]
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


def doctor() -> None:
    """Try what the job needs of this machine: codecs, models, Ray, disk.

    Example: curate doctor
    """
    from egocurate.commands.jobs.doctor import examine

    findings = examine()
    for finding in findings:
        state = "ok" if finding.good else "FAILS" if finding.needed else "absent"
        print(f"{state:<8}{finding.name:<22} {finding.what}")
    if any(not f.good and f.needed for f in findings):
        raise typer.Exit(EXIT_INCOMPLETE)
