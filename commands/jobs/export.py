"""Export for code that reads whole videos cut into chunks: the videos, and the clips in the form that code wants."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from egocurate.commands.jobs.cutting import Outcome, running_ray
from egocurate.commands.output.run_record import open_run
from egocurate.curation.clips.read_clips import find_clips, read_clips
from egocurate.curation.clips.write_csv import write_csv
from egocurate.curation.sources import Source
from egocurate.curation.sources.videos_table import stereo_fingerprint
from egocurate.errors import InputError
from egocurate.progress import Report
from egocurate.shards.export.chunk_layouts import ChunkLayout, chunk_layout
from egocurate.shards.export.export_chunks import CHUNKS_FILE, ExportJob, export_chunks
from egocurate.shards.shard_format import FAILED_FILE
from egocurate.shards.write.job import VideoFile
from egocurate.storage.atomic import atomic_write
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.paths import AnyPath, as_path, is_remote

CSV_FILE, PICKLE_FILE = "egoclip.csv", "ego4d_train.pkl"


def run_export(
    source: Source, out: AnyPath, like: str, clips: AnyPath | None, ray_address: str | None, report: Report
) -> Outcome:
    """Write the videos on disk as chunks for the code of EgoVLP, LaViLa or AVION, and, if given, the clips of a table.

    EgoVLP's code gets egoclip.csv, the others a pickle of (video, start, end, text). Clips whose chunks are not there
    are left out and counted: that code shows a black picture for them, or stops.
    """
    layout = chunk_layout(like)
    if is_remote(out):
        raise InputError(f"{out}: the code that reads chunks opens files; name a folder of this machine")
    path = find_clips(clips) if clips else None
    table = read_clips(path) if path else None
    videos = source.videos()
    on_disk = videos[videos["path"].notna()]
    if on_disk.empty:
        raise InputError(f"none of the {len(videos)} videos is on disk ({source.looked_in()}): download them first")
    run = open_run(out, "export", layout.settings(), {"stereo": stereo_fingerprint(videos)})
    before = run.counts or {}
    rows = list(on_disk.itertuples())
    job = ExportJob(
        videos={row.video_uid: VideoFile(as_path(row.path), bool(row.is_stereo)) for row in rows},
        durations={row.video_uid: float(row.video_dur) for row in rows},
        layout=layout,
        out=out,
    )
    with running_ray(ray_address, report):
        done = export_chunks(job, report)
    summary: dict[str, object] = {"videos": len(rows), "chunks": done.chunks, "megabytes": done.bytes / 1e6}
    clips_of = fingerprint(path) if path else before.get("clips_of")
    if table is not None:
        summary |= _write_clips(table, layout, out)
        if before.get("clips_of", clips_of) != clips_of:
            summary["clips_state"] = "written anew, of another table than before"
    if done.failed:
        summary |= {"failed": done.failed, "failed_list": str(out / FAILED_FILE)}
    if not (run.done and done.already_done and before.get("clips_of") == clips_of):
        run.finish(summary | {"clips_of": clips_of})
    if done.already_done:
        summary["chunks_state"] = "already there, unchanged"
    return Outcome(summary | {"out": str(out)}, whole=done.failed == 0)


def clips_on_chunks(clips: pa.Table, layout: ChunkLayout, chunks: pa.Table) -> np.ndarray:
    """Tell which clips lie in chunks that are there (bool[N]): the one they start in, and the one of their end."""
    there = set(zip(chunks["video_uid"].to_pylist(), chunks["chunk"].to_pylist(), strict=True))
    uids = clips["video_uid"].to_pylist()
    ends = [clips[name].to_pylist() for name in ("clip_start", "clip_end")]
    return np.array(
        [all((uid, layout.chunk_of(time)) in there for time in times) for uid, *times in zip(uids, *ends, strict=True)],
        bool,
    )


def _write_clips(clips: pa.Table, layout: ChunkLayout, out: AnyPath) -> dict[str, object]:
    on_chunks = clips.filter(pa.array(clips_on_chunks(clips, layout, pq.read_table(out / CHUNKS_FILE))))
    if layout.name == "egovlp":
        atomic_write(out / CSV_FILE, lambda file: write_csv(on_chunks, file))
    else:
        columns = [on_chunks[name].to_pylist() for name in ("video_uid", "clip_start", "clip_end", "clip_text")]
        samples = list(zip(*columns, strict=True))
        atomic_write(out / PICKLE_FILE, lambda file: pickle.dump(samples, file))
    return {"clips": len(on_chunks), "clips_without_chunks": len(clips) - len(on_chunks)}
