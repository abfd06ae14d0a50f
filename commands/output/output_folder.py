"""What lies where in an output folder, and how to find it. Light to import: a wrong folder is told before any work."""

from __future__ import annotations

from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath, is_remote

CLIP_TABLE = "egoclip.parquet"
SHARDS, MCQ_SHARDS = "shards", "egomcq-shards"
"""Folders of an output folder: shards of EgoClip's clips, and of the clips that EgoMCQ asks about."""


def find_shard_folders(path: AnyPath) -> list[AnyPath]:
    """Return the shard folders a user means: `path` itself, or those of an output folder."""
    folders = [folder for folder in (path, path / SHARDS, path / MCQ_SHARDS) if _holds_shards(folder)]
    if not folders:
        raise InputError(f"{path}: no shards there; give the folder that `curate shards` wrote")
    return folders


def find_clip_table(folder: AnyPath) -> AnyPath:
    """Return the clip table of an output folder; raises InputError if it has none."""
    table = folder / CLIP_TABLE
    if not table.exists():
        raise InputError(
            f"{table}: not there; a report needs the output folder of a finished `curate egoclip`, or of a training run"
        )
    return table


def is_run(folder: AnyPath) -> bool:
    """Tell whether a folder is that of a training run, which is on this machine."""
    return not is_remote(folder) and (folder / "recipe.json").is_file()


def _holds_shards(folder: AnyPath) -> bool:
    return (folder / "manifest.json").exists() or any(True for _ in folder.glob("*.tar"))
