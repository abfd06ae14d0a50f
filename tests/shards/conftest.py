import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest

from egocurate.clip_table import CLIP_SCHEMA, clip_key
from egocurate.ray_session import QUIET, use_token
from egocurate.shards.profiles import profile
from egocurate.shards.write.job import ShardJob, VideoFile
from tests.s3_server import serving

REAL_VIDEOS = Path(__file__).parents[2] / ".." / "shared" / "data" / "videos"


@contextlib.contextmanager
def kept_scheduling() -> Iterator[None]:
    """Take back what libsvtav1 does to a process of root: real-time priority for the thread that encodes.

    Whatever that thread starts later inherits it, and two such processes that wait for a third one stop the machine.
    """
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, priority)


def write_video(
    path: Path,
    *,
    codec: str = "libx264",
    pts: list[int] | range = range(90),
    tick: Fraction = Fraction(1, 30),
    size: tuple[int, int] = (96, 64),
    rotation: int = 0,
    pix_fmt: str = "yuv420p",
    pixel_aspect: int = 1,
    faststart: bool = False,
    movflags: str = "",
    **options: str,
) -> Path:
    """Write a video whose frames differ from each other; frame n is shown at pts[n] * tick seconds."""
    width, height = size
    columns = np.arange(width)
    rows = np.arange(height)[:, None]
    movflags = "+faststart" if faststart else movflags
    flags = {"movflags": movflags} if movflags else {}
    with kept_scheduling(), av.open(str(path), "w", options=flags) as container:
        stream = container.add_stream(codec, rate=round(1 / tick))
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.time_base = tick
        stream.codec_context.thread_count = 1
        stream.codec_context.sample_aspect_ratio = pixel_aspect
        stream.options = {name: str(value) for name, value in options.items()}
        if rotation:
            stream.set_display_rotation(rotation)
        for n, stamp in enumerate(pts):
            red = (columns * 2 + n * 7) % 256 + 0 * rows
            green = (rows * 3 + n * 5) % 256 + 0 * columns
            picture = np.stack([red, green, np.full_like(red, n * 11 % 256)], axis=-1).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = stamp, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


LONG_GOP = {"preset": "ultrafast", "g": "40", "keyint_min": "40", "sc_threshold": "0", "bf": "3", "b-pyramid": "2"}


@pytest.fixture(scope="module")
def s3():
    """A store with the bucket `bucket`, which ends with the module."""
    with serving("bucket") as server:
        yield server


@pytest.fixture(scope="session")
def make_video() -> Callable[..., Path]:
    return write_video


@pytest.fixture(scope="session")
def small_videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Ten seconds and a bit of two videos, with B-frames."""
    folder = tmp_path_factory.mktemp("videos")
    return {
        uid: write_video(folder / f"{uid}.mp4", pts=range(count), size=(64, 48), **LONG_GOP)
        for uid, count in (("cook", 310), ("dig", 150))
    }


def clip_table(rows: list[tuple[str, float, float]], video_dur: float = 10.0) -> pa.Table:
    """Build a clip table out of (video_uid, start, end); negatives are the other clips of the same video."""
    uids = [uid for uid, _, _ in rows]
    columns = {
        "clip_idx": [100 + i for i in range(len(rows))],
        "video_uid": uids,
        "video_dur": [video_dur] * len(rows),
        "narration_source": ["narration_pass_1"] * len(rows),
        "narration_ind": list(range(len(rows))),
        "narration_time": [(start + end) / 2 for _, start, end in rows],
        "clip_start": [start for _, start, _ in rows],
        "clip_end": [end for _, _, end in rows],
        "clip_text": [f"#C C takes plate {i} é" for i in range(len(rows))],
        "tag_verb": [[i % 3] for i in range(len(rows))],
        "tag_noun": [[i % 4, 4] for i in range(len(rows))],
        "key": [clip_key(uid, "narration_pass_1", i) for i, uid in enumerate(uids)],
        "text": [f"takes plate {i} é" for i in range(len(rows))],
        "window_start": [start for _, start, _ in rows],
        "window_end": [end for _, _, end in rows],
        "neighbourhood": [10 * sorted(set(uids)).index(uid) + int(start // 1.5) for uid, start, _ in rows],
        "negatives": [[100 + j for j in range(len(rows)) if j != i and uids[j] == uids[i]] for i in range(len(rows))],
    }
    return pa.table({name: pa.array(columns[name], CLIP_SCHEMA.field(name).type) for name in CLIP_SCHEMA.names})


@pytest.fixture(scope="session")
def make_clips() -> Callable[..., pa.Table]:
    return clip_table


@pytest.fixture(scope="session")
def make_job(small_videos: dict[str, Path]) -> Callable[[Path], ShardJob]:
    """Overlapping clips of two videos, one clip beyond the end of its video, one of a video that is not there."""
    rng = np.random.default_rng(0)
    rows = [("cook", s, s + 1.0) for s in rng.uniform(0, 9, 14)] + [("dig", s, s + 1.5) for s in rng.uniform(0, 3, 6)]
    rows += [("dig", 90.0, 91.0), ("lost", 1.0, 2.0)]
    videos = {uid: VideoFile(path) for uid, path in small_videos.items()} | {"lost": VideoFile(None)}

    def make(folder: Path) -> ShardJob:
        more = {"clips_per_shard": 5, "num_verbs": 3, "num_nouns": 5}
        return ShardJob(clip_table(rows), videos, folder / "shards", profile("train"), **more)

    return make


@pytest.fixture
def job(make_job: Callable[[Path], ShardJob], tmp_path: Path) -> ShardJob:
    return make_job(tmp_path)


@pytest.fixture
def real_video() -> Callable[[str], Path]:
    def find(name: str) -> Path:
        path = (REAL_VIDEOS / name).resolve()
        if not path.is_file():
            pytest.skip(f"real video {name} is not here")
        return path

    return find


class RayCluster:
    """A Ray cluster of processes of its own, to be killed; `nodes` are the temporary folders' raylets, head first."""

    def __init__(self, cpus: int) -> None:
        use_token()
        # Ray's sockets lie there, and their paths must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        with socket.socket() as probe:
            probe.bind(("", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self._start("--head", "--port", self.address.rpartition(":")[2], "--include-dashboard=false", cpus=cpus)

    def add_node(self, name: str) -> int:
        """Start a worker node with one CPU and return its raylet's process number."""
        before = set(self.processes("raylet/raylet"))
        self._start("--address", self.address, "--node-name", name, cpus=1)
        (raylet,) = set(self.processes("raylet/raylet")) - before
        return raylet

    def _start(self, *options: str, cpus: int) -> None:
        ray = Path(sys.executable).with_name("ray")
        place = ["--temp-dir", str(self.folder)] if "--head" in options else []
        limits = ["--num-cpus", str(cpus), "--object-store-memory", str(80 * 1024 * 1024), "--disable-usage-stats"]
        started = subprocess.run(
            [str(ray), "start", *options, *place, *limits],
            capture_output=True,
            text=True,
            timeout=120,
            cwd="/",
            env=os.environ | QUIET,
        )
        assert started.returncode == 0, started.stdout + started.stderr

    def processes(self, named: str) -> list[int]:
        """Return the process numbers of this cluster's services whose command holds `named`."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(self.folder) in command and named in command:
                found.append(int(entry.name))
        return sorted(found)

    def workers(self, doing: str = "ray::") -> list[int]:
        """Return the process numbers of the workers that do something."""
        found = []
        for raylet in self.processes("raylet/raylet"):
            for entry in Path(f"/proc/{raylet}/task").glob("*/children"):
                for child in entry.read_text().split():
                    try:
                        if (Path("/proc") / child / "cmdline").read_text().startswith(doing):
                            found.append(int(child))
                    except (FileNotFoundError, ProcessLookupError):
                        continue
        return sorted(found)

    def kill(self) -> None:
        """SIGKILL all there is of it at once."""
        for process in [*self.processes(""), *self.workers()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def close(self) -> None:
        """Kill it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def start_cluster() -> Iterator[Callable[[int], RayCluster]]:
    started = []

    def start(cpus: int) -> RayCluster:
        started.append(RayCluster(cpus))
        return started[-1]

    yield start
    for cluster in started:
        cluster.close()
