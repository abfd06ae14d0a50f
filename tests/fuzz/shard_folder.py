"""A small shard folder to break: two videos, ten clips in three shards, with what it was cut from."""

from pathlib import Path

from egocurate.shards.profiles import profile
from egocurate.shards.write.job import ShardJob, VideoFile
from egocurate.shards.write.write_shards import write_shards
from tests.shards.conftest import clip_table, write_video


def write_folder(where: Path, name: str = "train") -> ShardJob:
    """Write the folder `where / "shards"` by the profile of this name, and return its job."""
    where.mkdir(parents=True, exist_ok=True)
    videos = {
        uid: VideoFile(write_video(where / f"{uid}.mp4", pts=range(75), size=(64, 48))) for uid in ("cook", "dig")
    }
    rows = [(uid, 0.2 * n, 0.2 * n + 0.5) for uid in videos for n in range(5)] + [("dig", 90.0, 91.0)]
    more = {"clips_per_shard": 4, "num_verbs": 3, "num_nouns": 5}
    job = ShardJob(clip_table(rows), videos, where / "shards", profile(name), **more)
    write_shards(job)
    return job


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its path there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
