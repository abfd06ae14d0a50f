import json

import av
import numpy as np
import pyarrow as pa
import pytest
import torch

from egocurate.clip_table import CLIP_SCHEMA, clip_key
from egocurate.shards.profiles import profile
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.write.write_shards import ShardJob, VideoFile, write_shards
from tests.http_server import HttpServer

SECONDS, FPS, SLOT = 20, 8, 5.0
SIZES = [(128, 96), (96, 128), (160, 90), (128, 96)]  # width, height: landscape, portrait, wide
NUM_VERBS, NUM_NOUNS = 11, 7


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


def write_video(path, width, height, seed):
    """A picture that moves, so that every frame is another."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (height // 8 + 12, width // 8 + 12, 3), dtype=np.uint8)
    picture = np.kron(coarse, np.ones((8, 8, 1), dtype=np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(SECONDS * FPS):
            x, y = i % 90, (i // 2) % 90
            part = np.ascontiguousarray(picture[y : y + height, x : x + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(part, format="rgb24")))
        container.mux(stream.encode(None))


def clip_rows():
    rows = []
    for number in range(len(SIZES)):
        for ind in range(19 - number):
            rows.append((f"video{number}", ind, ind * 1.0 + 0.25, number * 10 + int(ind / SLOT)))
    hoods = np.array([row[3] for row in rows])
    table = []
    for i, (uid, ind, time, hood) in enumerate(rows):
        near = [int(j) for j in np.flatnonzero(hoods == hood) if j != i]
        table.append(
            {
                "clip_idx": i,
                "video_uid": uid,
                "video_dur": float(SECONDS),
                "narration_source": "narration_pass_1",
                "narration_ind": ind,
                "narration_time": time,
                "clip_start": max(0.0, time - 0.4 - 0.1 * (i % 4)),
                "clip_end": time + 0.4,
                "clip_text": f"#C C does thing {i}.",
                "tag_verb": [i % NUM_VERBS],
                "tag_noun": sorted({i % NUM_NOUNS, (i + 3) % NUM_NOUNS}),
                "key": clip_key(uid, "narration_pass_1", ind),
                "text": f"does thing {i}",
                "window_start": time - 0.5,
                "window_end": time + 0.5,
                "neighbourhood": hood,
                "negatives": [] if i % 10 == 9 else near[:3],
            }
        )
    return table


@pytest.fixture(scope="session")
def clip_table():
    return pa.Table.from_pylist(clip_rows(), schema=CLIP_SCHEMA)


@pytest.fixture(scope="session")
def shards(tmp_path_factory, clip_table):
    """A folder of real shards: 70 clips of four videos, 13 neighbourhoods or so, eight shards."""
    folder = tmp_path_factory.mktemp("loaders")
    videos = {}
    for number, (width, height) in enumerate(SIZES):
        path = folder / f"video{number}.mp4"
        write_video(path, width, height, number)
        videos[f"video{number}"] = VideoFile(path)
    job = ShardJob(
        clips=clip_table,
        videos=videos,
        out=folder / "shards",
        profile=profile("train"),
        clips_per_shard=10,
        num_verbs=NUM_VERBS,
        num_nouns=NUM_NOUNS,
    )
    summary = write_shards(job)
    assert summary.samples == len(clip_table) and summary.failed == 0
    return folder / "shards"


@pytest.fixture
def index(shards):
    return ShardIndex.open(shards)


@pytest.fixture
def broken(shards, tmp_path):
    """Copy the shards and damage the video of some samples; returns a function from sample ids to the new folder."""

    def damage(samples):
        folder = tmp_path / "broken"
        folder.mkdir()
        for path in shards.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        index = ShardIndex.open(folder)
        for sample in samples:
            row = index.row(sample)
            offset, size = row.video_span
            with row.shard_path.open("r+b") as file:
                file.seek(offset + size // 2)
                file.write(bytes(64))
        return folder

    return damage


@pytest.fixture
def questions(tmp_path, clip_table):
    """An egomcq.json of eight questions in the published schema, its folder tmp_path."""
    rows = clip_table.to_pylist()

    def entry(row):
        names = list(CLIP_SCHEMA.names[:11])
        return {name: str(row[name]) if name.startswith("tag_") else row[name] for name in names}

    asked = {}
    for q in range(8):
        options = [rows[(q * 7 + o * (1 if q % 2 else 17)) % len(rows)] for o in range(5)]
        answer = (q * 3) % 5
        asked[str(q)] = {
            "query": entry(options[answer]),
            "answer": answer,
            "choices": {str(o): entry(row) for o, row in enumerate(options)},
            "types": 2 if q % 2 else 1,
        }
    path = tmp_path / "egomcq.json"
    path.write_text(json.dumps(asked))
    return path


@pytest.fixture
def server(shards):
    """The shards over HTTP."""
    server = HttpServer(shards)
    yield server
    server.stop()
