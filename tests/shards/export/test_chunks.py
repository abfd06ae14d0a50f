import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import decord
import numpy as np
import pyarrow.parquet as pq
import pytest

from egocurate.errors import InputError
from egocurate.shards.export.chunk_layouts import LAYOUTS, ChunkLayout, chunk_layout, missing_chunks
from egocurate.shards.export.chunk_video import ChunkTask, write_chunks
from egocurate.shards.export.export_chunks import ExportJob, export_chunks
from egocurate.shards.write.job import VideoFile
from egocurate.storage.atomic import TEMP_PREFIX

SECONDS = 2
LAYOUT = ChunkLayout("short", seconds=SECONDS, short_side=48, by_second=True, folder_suffix=".mp4")
BITS, BLOCK = 10, 12
NTSC = Fraction(30000, 1001)


def numbered_video(
    path: Path, times: list[Fraction], *, tick: Fraction, faststart: bool = False, **options: str
) -> Path:
    """Write a video whose frame n shows n as white and black blocks, at times[n]."""
    with av.open(str(path), "w", options={"movflags": "+faststart"} if faststart else {}) as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "g": "25", **options})
        stream.width, stream.height, stream.pix_fmt = BITS * BLOCK, 64, "yuv420p"
        stream.codec_context.time_base = tick
        for n, time in enumerate(times):
            bits = [255 * (n >> bit & 1) for bit in range(BITS)]
            picture = np.repeat(np.repeat([bits], 64, 0), BLOCK, 1).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.stack([picture] * 3, -1), format="rgb24")
            frame.pts, frame.time_base = round(time / tick), tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def number(picture: np.ndarray) -> int:
    """Read the number that a picture [H, W, 3] shows."""
    height, width = picture.shape[:2]
    middles = [int((bit + 0.5) * width / BITS) for bit in range(BITS)]
    return sum(int(picture[height // 2, x].mean() > 127) << bit for bit, x in enumerate(middles))


def numbers_decord(path: Path) -> list[int]:
    frames = decord.VideoReader(str(path))
    return [number(frames[i].asnumpy()) for i in range(len(frames))]


def frames_av(path: Path) -> tuple[list[int], list[Fraction]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [number(f.to_ndarray(format="rgb24")) for f in frames], [f.pts * f.time_base for f in frames]


def steady(rate: Fraction, count: int) -> tuple[list[Fraction], Fraction]:
    return [n / rate for n in range(count)], 1 / rate


def unsteady(count: int) -> tuple[list[Fraction], Fraction]:
    steps = np.random.default_rng(3).integers(900, 9000, count - 1)
    return [Fraction(int(p), 90_000) for p in np.concatenate([[0], np.cumsum(steps)])], Fraction(1, 90_000)


def expected(times: list[Fraction], seconds: int = SECONDS) -> dict[int, list[int]]:
    """Say by brute force which frames each chunk holds."""
    chunks: dict[int, list[int]] = {}
    for n, time in enumerate(times):
        chunks.setdefault(math.floor(time / seconds), []).append(n)
    return chunks


def task_of(video: Path, out: Path, layout: ChunkLayout = LAYOUT, duration: float = math.nan) -> ChunkTask:
    return ChunkTask("kitchen", VideoFile(video), duration, layout, out)


@pytest.mark.parametrize(
    ("times", "tick"),
    [
        pytest.param(*steady(Fraction(30), 200), id="30"),
        pytest.param(*steady(Fraction(30), 180), id="whole number of chunks"),
        pytest.param(*steady(Fraction(30), 181), id="one frame in the last chunk"),
        pytest.param(*steady(NTSC, 200), id="29.97"),
        pytest.param(*steady(Fraction(30), 20), id="shorter than a chunk"),
        pytest.param(*unsteady(160), id="variable rate"),
    ],
)
@pytest.mark.parametrize("b_frames", ["0", "3"])
def test_every_frame_is_in_one_chunk_in_order(tmp_path: Path, times: list[Fraction], tick: Fraction, b_frames: str):
    video = numbered_video(tmp_path / "v.mp4", times, tick=tick, bf=b_frames)
    outcome = write_chunks(task_of(video, tmp_path / "out"))
    wanted = expected(times)
    folder = tmp_path / "out" / "kitchen.mp4"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{k * SECONDS}.mp4" for k in wanted)
    assert [(k, n) for k, n, _ in outcome.written] == [(k, len(frames)) for k, frames in wanted.items()]
    assert outcome.failed == []
    for k, frames in wanted.items():
        path = folder / f"{k * SECONDS}.mp4"
        shown, at = frames_av(path)
        assert shown == frames == numbers_decord(path)
        distances = [times[n] - times[frames[0]] for n in frames]
        assert at == pytest.approx([float(d) for d in distances], abs=1e-4)


@pytest.mark.parametrize(("name", "by_second"), [("egovlp", False), ("lavila", True), ("avion", True)])
def test_frame_n_of_chunk_k_is_where_the_three_loaders_look(name: str, by_second: bool):
    layout = LAYOUTS[name]
    uid, time = "0af5", 1234.5
    k = int(time // layout.seconds)
    file = f"{k * layout.seconds if by_second else k}.mp4"
    assert layout.path(uid, layout.chunk_of(time)) == f"{uid}{'.mp4' if by_second else ''}/{file}"
    assert (layout.seconds, layout.short_side) == {"egovlp": (600, 256), "lavila": (300, 288), "avion": (15, 288)}[name]


def test_index_of_a_frame_at_30_frames_per_second(tmp_path: Path):
    times, tick = steady(Fraction(30), 500)
    video = numbered_video(tmp_path / "v.mp4", times, tick=tick)
    layout = replace(LAYOUTS["avion"], short_side=48)
    write_chunks(task_of(video, tmp_path / "out", layout))
    for k, n in [(0, 0), (0, 449), (1, 0), (1, 49)]:
        frames = decord.VideoReader(str(tmp_path / "out" / layout.path("kitchen", k)))
        assert number(frames[n].asnumpy()) == k * 15 * 30 + n


def test_missing_chunks_are_written_again_and_the_others_left(tmp_path: Path):
    times, tick = steady(Fraction(30), 400)
    video = numbered_video(tmp_path / "v.mp4", times, tick=tick, bf="3")
    task = task_of(video, tmp_path / "out")
    whole = write_chunks(task)
    folder = tmp_path / "out" / "kitchen.mp4"
    for second in (0, 6, 12):
        (folder / f"{second}.mp4").unlink()
    (folder / f"{TEMP_PREFIX}1-6.mp4").write_bytes(b"half")
    before = {path: path.stat().st_mtime_ns for path in folder.glob("[0-9]*.mp4")}
    again = write_chunks(task)
    assert [w[:2] for w in again.written] == [w[:2] for w in whole.written] and again.failed == []
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list(folder.glob(f"{TEMP_PREFIX}*"))
    for k, frames in expected(times).items():
        assert numbers_decord(folder / f"{k * SECONDS}.mp4") == frames


def test_a_chunk_that_misses_frames_is_no_file(tmp_path: Path):
    times, tick = steady(Fraction(30), 500)
    video = numbered_video(tmp_path / "v.mp4", times, tick=tick, faststart=True)
    data = bytearray(video.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(0).integers(0, 256, 400, np.uint8).tobytes()
    video.write_bytes(data)
    outcome = write_chunks(task_of(video, tmp_path / "out"))
    wanted = expected(times)
    lost = {k for k, *_ in outcome.failed}
    assert 0 < len(lost) < len(wanted) / 2
    assert {reason for _, reason, _ in outcome.failed} == {"decode error"}
    assert {k for k, *_ in outcome.written} == wanted.keys() - lost
    for k, *_ in outcome.written:
        assert numbers_decord(tmp_path / "out" / LAYOUT.path("kitchen", k)) == wanted[k]


def test_a_file_cut_short_fails_from_where_it_ends(tmp_path: Path):
    times, tick = steady(Fraction(30), 300)
    video = numbered_video(tmp_path / "v.mp4", times, tick=tick, faststart=True)
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    outcome = write_chunks(task_of(video, tmp_path / "out", duration=10.0))
    failed = sorted(k for k, *_ in outcome.failed)
    written = [k for k, *_ in outcome.written]
    assert written and failed and written + failed == list(range(5))
    for k in written:
        assert numbers_decord(tmp_path / "out" / LAYOUT.path("kitchen", k)) == expected(times)[k]


def test_a_pause_longer_than_a_chunk_is_counted(tmp_path: Path):
    tick = Fraction(1, 30)
    times = [n * tick for n in [*range(40), *range(200, 230)]]
    video = numbered_video(tmp_path / "v.mp4", times, tick=tick)
    outcome = write_chunks(task_of(video, tmp_path / "out"))
    assert [k for k, *_ in outcome.written] == [0, 3]
    assert [(k, reason) for k, reason, _ in outcome.failed] == [(1, "no frames in chunk"), (2, "no frames in chunk")]


@pytest.mark.parametrize("content", [None, b"no video at all"])
def test_a_video_that_is_not_there_or_does_not_open(tmp_path: Path, content: bytes | None):
    path = tmp_path / "v.mp4"
    if content:
        path.write_bytes(content)
    outcome = write_chunks(task_of(path, tmp_path / "out"))
    assert [(k, reason) for k, reason, _ in outcome.failed] == [(0, "cannot open" if content else "video not on disk")]
    assert outcome.written == []


def test_size_is_that_of_the_short_side_and_stereo_gives_its_left_half(tmp_path: Path):
    times, tick = steady(Fraction(30), 10)
    video = numbered_video(tmp_path / "v.mp4", times, tick=tick)
    write_chunks(task_of(video, tmp_path / "one"))
    write_chunks(replace(task_of(video, tmp_path / "two"), video=VideoFile(video, is_stereo=True)))
    sizes = []
    for name in ("one", "two"):
        with av.open(str(tmp_path / name / "kitchen.mp4" / "0.mp4")) as container:
            sizes.append((container.streams.video[0].width, container.streams.video[0].height))
    assert sizes == [(90, 48), (48, 52)], "120x64, and its left half of 60x64"


@pytest.mark.parametrize("seed", range(20))
def test_lost_chunks_are_those_that_miss_a_frame(seed: int):
    rng = np.random.default_rng(seed)
    rate = Fraction(int(rng.integers(5, 31)))
    count = int(rng.integers(20, 200))
    gap = np.sort(rng.integers(0, count, 2))
    times = [n / rate for n in range(count)]
    reached = times[gap[0]]  # the end of the frame before, if there is one
    until = times[gap[1]] if rng.random() < 0.7 else None
    lost = set(LAYOUT.lost(reached, until, float(count / rate)))
    missing = {LAYOUT.chunk_of(t) for t in times if t >= reached and (until is None or t < until)}
    assert missing <= lost
    assert len(lost - missing) <= (0 if missing else 1)


def test_missing_chunks():
    assert missing_chunks([0, 2, 5]) == [1, 3, 4]
    assert missing_chunks([]) == [] == missing_chunks([0, 1])


@pytest.fixture
def export_job(tmp_path: Path) -> Callable[..., ExportJob]:
    times, tick = steady(Fraction(30), 130)
    cook = numbered_video(tmp_path / "cook.mp4", times, tick=tick)
    dig = numbered_video(tmp_path / "dig.mp4", times[:70], tick=tick)

    def make(*uids: str, layout: ChunkLayout = LAYOUT) -> ExportJob:
        files = {"cook": VideoFile(cook), "dig": VideoFile(dig), "lost": VideoFile(tmp_path / "lost.mp4")}
        return ExportJob({uid: files[uid] for uid in uids}, {}, layout, tmp_path / "out")

    return make


def test_export_writes_tables_goes_on_and_says_when_there_is_nothing_to_do(export_job):
    job = export_job("cook", "lost")
    seen = []
    first = export_chunks(job, lambda *stage: seen.append(stage))
    assert (first.chunks, first.failed, first.already_done) == (3, 1, False)
    assert seen[0][1:] == (0, 2) and seen[-1][1:] == (2, 2)
    table = pq.read_table(job.out / "chunks.parquet").to_pylist()
    assert [(row["file"], row["frames"]) for row in table] == [
        ("cook.mp4/0.mp4", 60),
        ("cook.mp4/2.mp4", 60),
        ("cook.mp4/4.mp4", 10),
    ]
    assert all((job.out / row["file"]).stat().st_size == row["bytes"] for row in table)
    failed = pq.read_table(job.out / "failed.parquet").to_pylist()
    assert [(row["video_uid"], row["reason"]) for row in failed] == [("lost", "video not on disk")]

    again = export_chunks(job)
    assert (again.already_done, again.chunks, again.failed, again.bytes) == (True, 3, 1, first.bytes)
    (job.out / "cook.mp4" / "2.mp4").unlink()
    healed = export_chunks(job)
    assert (healed.already_done, healed.chunks) == (False, 3)
    more = export_chunks(export_job("cook", "dig"))
    assert (more.chunks, more.failed) == (5, 0)
    assert not (job.out / "failed.parquet").exists()


def test_another_layout_or_somebody_s_folder_is_refused(export_job):
    job = export_job("dig")
    export_chunks(job)
    with pytest.raises(InputError, match="holds chunks like short, not other"):
        export_chunks(export_job("dig", layout=replace(LAYOUT, name="other", seconds=3)))
    (job.out / "layout.json").unlink()
    with pytest.raises(InputError, match=r"holds dig\.mp4 of some other run"):
        export_chunks(job)


def test_what_cannot_be_exported_is_said_in_one_line(export_job):
    with pytest.raises(InputError, match="none of the 1 videos is on disk"):
        export_chunks(export_job("lost"))
    job = export_job("dig")
    with pytest.raises(InputError, match="cannot be a folder name"):
        export_chunks(replace(job, videos={"../dig": job.videos["dig"]}))
    with pytest.raises(InputError, match="egovlp, lavila, avion"):
        chunk_layout("vhs")
