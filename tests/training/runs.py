"""A video, its shards and questions, and short runs on them."""

import csv
import json

import av
import numpy as np
import pyarrow as pa
import torch
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

from egocurate.clip_table import CLIP_SCHEMA, clip_key
from egocurate.shards.profiles import profile
from egocurate.shards.write.write_shards import ShardJob, VideoFile, write_shards
from egocurate.train import train

CLIPS, FPS, STEPS = 26, 8, 8
PASS = "narration_pass_1"


def write_video(path):
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 255, (12, 40, 3), dtype=np.uint8), np.ones((8, 8, 1), dtype=np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for i in range(FPS * (CLIPS + 1)):
            part = np.ascontiguousarray(picture[16:80, i : i + 64])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(part, format="rgb24")))
        container.mux(stream.encode(None))


def clip(i):
    """Clip i of the video, with what the table says of it; every fifth has no negative."""
    return {
        "clip_idx": i,
        "video_uid": "video",
        "video_dur": CLIPS + 1.0,
        "narration_source": PASS,
        "narration_ind": i,
        "narration_time": i + 0.5,
        "clip_start": float(i),
        "clip_end": i + 1.0,
        "clip_text": f"#C C moves cup {i % 9}",
        "tag_verb": [i % 3],
        "tag_noun": [i % 4] if i % 7 else [],
        "key": clip_key("video", PASS, i),
        "text": f"moves cup {i % 9}",
        "window_start": float(i),
        "window_end": i + 1.0,
        "neighbourhood": i // 4,
        "negatives": [] if i % 5 == 0 else [j for j in range(i // 4 * 4, min(i // 4 * 4 + 4, CLIPS)) if j != i],
    }


def write_data(folder):
    """Shards of 26 clips and eight questions about them."""
    write_video(folder / "video.mp4")
    clips = pa.Table.from_pylist([clip(i) for i in range(CLIPS)], schema=CLIP_SCHEMA)
    job = ShardJob(
        clips=clips,
        videos={"video": VideoFile(folder / "video.mp4")},
        out=folder / "shards",
        profile=profile("train"),
        clips_per_shard=8,
        num_verbs=3,
        num_nouns=4,
    )
    assert write_shards(job).samples == CLIPS
    questions = {}
    for q in range(8):
        options = [clip((q * 3 + o * (5 if q % 2 else 1)) % CLIPS) for o in range(5)]
        choices = {str(o): option for o, option in enumerate(options)}
        questions[str(q)] = {"query": options[q % 5], "answer": q % 5, "choices": choices, "types": 1 + q % 2}
    (folder / "egomcq.json").write_text(json.dumps(questions))


class Stop(Exception):  # noqa: N818
    """Raised where a signal would end a run."""


def run(config, *, stop_at=None, resume=False):
    """Train in this process; leave it after a step as a signal would."""

    def report(stage, done, total):
        if stage == "train" and done == stop_at:
            raise Stop

    return train(config, resume=resume, report=report, say=lambda line: None)


def rows(out, *columns):
    with (out / "metrics.csv").open(newline="") as file:
        return [[float(row[c]) if row[c] else None for c in columns] for row in csv.DictReader(file)]


def saved(out, step, tmp_path):
    """All tensors of a checkpoint by name."""
    dcp_to_torch_save(out / "checkpoints" / f"step-{step:08d}", tmp_path / "all.pt")
    flat = {}

    def walk(value, name):
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{name}/{key}")
        elif isinstance(value, torch.Tensor):
            flat[name] = value

    walk(torch.load(tmp_path / "all.pt", weights_only=False), "")
    return flat
