"""The same clips for everyone: cut once by our own writer, and the videos they came from as chunks."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.cut import end_to_end
from egocurate.clip_table import CLIP_SCHEMA, clip_key
from egocurate.errors import InputError
from egocurate.shards.export.chunk_layouts import LAYOUTS
from egocurate.shards.export.chunk_video import ChunkTask, write_chunks
from egocurate.shards.profiles import profile
from egocurate.shards.write.job import ShardJob, VideoFile
from egocurate.shards.write.write_shards import write_shards

# (file, crop or nothing): a quarter of a wall holds four first-person videos.
PARTS = (
    ("epic_wall_b_4x4_h264_1080p50.mp4", "crop=960:540:0:0,"),
    ("epic_wall_b_4x4_h264_1080p50.mp4", "crop=960:540:960:540,"),
    ("gopro_max_heromode.mp4", ""),
)
PERIOD, PERIODS, LONG_SECONDS, SLOT = 37.5, 2, 600, 4.0
SECONDS = int(PERIOD * PERIODS)
VERBS, NOUNS, NEGATIVES = 100, 500, 4
VIDEO = "video"


@dataclass(frozen=True)
class Data:
    """A folder with `<profile>/` shards, `chunks/<layout>/`, and what each peer builds of them in `<peer>/`."""

    folder: Path

    def shards(self, name: str) -> Path:
        """Return the shard folder of a profile."""
        return self.folder / name

    def chunks(self, layout: str) -> Path:
        """Return the folder of chunks of a layout."""
        return self.folder / "chunks" / layout

    def windows(self) -> list[tuple[str, float, float]]:
        """Return (key, start, end) in seconds of each clip."""
        return [tuple(row) for row in json.loads((self.folder / "windows.json").read_text())]


def source(videos: Path, out: Path) -> Path:
    """Write `SECONDS` of first-person video of 960x540 at 30 fps; raises InputError if footage or ffmpeg is absent."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise InputError("ffmpeg is not on the PATH: install it, for instance with `apt-get install ffmpeg`")
    for file, _ in PARTS:
        if not (videos / file).is_file():
            raise InputError(f"{videos}: no {file} there; name a folder that has it with --videos")
    scaled = ";".join(f"[{n}:v]{crop}fps=30,scale=960:540,setsar=1[p{n}]" for n, (_, crop) in enumerate(PARTS))
    joined = "".join(f"[p{n}]" for n in range(len(PARTS)))
    inputs = [word for file, _ in PARTS for word in ("-i", str(videos / file))]
    graph = f"{scaled};{joined}concat=n={len(PARTS)},trim=duration={PERIOD}[v]"
    part = out / "part.mp4"
    subprocess.run(
        [ffmpeg, "-v", "error", "-y", *inputs, "-filter_complex", graph, "-map", "[v]", "-c:v", "libx264", str(part)],
        check=True,
    )
    return end_to_end(part, out / f"{VIDEO}.mp4", SECONDS)


def write_profile(video: Path, name: str, clips: int, out: Path) -> None:
    """Cut so many clips of 1 to 2 s of a source and write them as shards of a profile."""
    job = ShardJob(
        clips=_table(clips),
        videos={VIDEO: VideoFile(video)},
        out=out,
        profile=profile(name),
        clips_per_shard=64,
        num_verbs=VERBS,
        num_nouns=NOUNS,
    )
    summary = write_shards(job)
    if summary.failed:
        raise InputError(f"{video}: {summary.failed} of {clips} clips cannot be cut")


def write_all_chunks(video: Path, data: Data, clips: int) -> None:
    """Write the same source as chunks of 600 and 15 s, repeated to ten minutes, and say which windows are read."""
    for name in ("egovlp", "avion"):
        layout, out = LAYOUTS[name], data.chunks(name)
        write_chunks(ChunkTask(VIDEO, VideoFile(video), float(SECONDS), layout, out))
        folder = out / layout.folder(VIDEO)
        if layout.seconds > SECONDS:
            first = (folder / layout.file(0)).rename(folder / "once.mp4")
            end_to_end(first, folder / layout.file(0), LONG_SECONDS)
            continue
        per_pass = SECONDS // layout.seconds
        for chunk in range(per_pass, LONG_SECONDS // layout.seconds):
            shutil.copyfile(folder / layout.file(chunk % per_pass), folder / layout.file(chunk))
    rows = _table(clips).select(["key", "clip_start", "clip_end"]).to_pylist()
    # The source repeats, so a window shows the same frames wherever in the ten minutes it is read.
    shifts = np.arange(len(rows)) % (LONG_SECONDS // SECONDS - 1) * SECONDS
    windows = [(row["key"], row["clip_start"] + s, row["clip_end"] + s) for row, s in zip(rows, shifts, strict=True)]
    (data.folder / "windows.json").write_text(json.dumps(windows, default=float))


def _table(clips: int) -> pa.Table:
    rng = np.random.default_rng(0)
    starts, lengths = np.sort(rng.uniform(0, SECONDS - 2.5, clips)), rng.uniform(1, 2, clips)
    hoods = (starts // SLOT).astype(int)
    rows = []
    for i, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
        near = np.flatnonzero(hoods == hoods[i])
        near = near[near != i]
        rows.append(
            {
                "clip_idx": i,
                "video_uid": VIDEO,
                "video_dur": float(SECONDS),
                "narration_source": "narration_pass_1",
                "narration_ind": i,
                "narration_time": start + length / 2,
                "clip_start": start,
                "clip_end": start + length,
                "clip_text": f"#C C takes thing {i}.",
                "tag_verb": [i % VERBS],
                "tag_noun": [i % NOUNS],
                "key": clip_key(VIDEO, "narration_pass_1", i),
                "text": f"takes thing {i}",
                "window_start": start,
                "window_end": start + length,
                "neighbourhood": int(hoods[i]),
                "negatives": near[np.argsort(abs(near - i), kind="stable")][:NEGATIVES].tolist(),
            }
        )
    return pa.Table.from_pylist(rows, schema=CLIP_SCHEMA)
