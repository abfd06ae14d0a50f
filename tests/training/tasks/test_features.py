"""`curate features`: each clip's embedding, whatever the ranks, the stops and the bad videos."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from egocurate.commands.curate import app, main
from egocurate.errors import InputError
from egocurate.loaders.crops import center_view, crop_and_resize
from egocurate.loaders.frame_sampling import dense
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.shards.profiles import profile
from egocurate.shards.video.scaler import FrameScaler
from egocurate.training.config.loss_configs import Contrast
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.systems import build_system
from tests.training.ranks import together
from tests.training.runs import run

REPOSITORY = Path(__file__).parents[3]
CPU = Ranks(0, 1, torch.device("cpu"), False)
FPS, LENGTHS = 8, {"a": 30, "b": 41, "c": 3, "d": 17}  # frames; a clip has 4.27 of them
CLIPS = {"a": 7, "b": 9, "c": 1, "d": 3}


def write_video(path, seed, count):
    colors = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(count):
            picture = colors.integers(0, 255, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for seed, (name, count) in enumerate(LENGTHS.items()):
        write_video(folder / f"{name}.mp4", seed, count)
    return folder


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """A run of two steps, and the folder where its features of the videos are by one process."""
    out = tmp_path_factory.mktemp("trained")
    run(replace(tiny, out=str(out / "run"), mcq_json="", max_steps=2))
    return out / "run"


def read(folder):
    return {path.stem: torch.load(path) for path in sorted(folder.glob("*.pt"))}


def features(*arguments):
    return app(["features", *map(str, arguments)], standalone_mode=False) or 0


@pytest.fixture(scope="module")
def made(trained, videos, tmp_path_factory):
    out = tmp_path_factory.mktemp("features")
    assert features(trained, "--videos", videos, "--out", out) == 0
    return out


def test_features_are_those_of_the_clips_one_by_one(trained, videos, made, tiny):
    system, step = restore(read_run(trained, []), CPU)
    found = read(made)
    assert {name: len(rows) for name, rows in found.items()} == CLIPS
    for name, rows in found.items():
        scaler = FrameScaler(profile("train"), left_half=False)
        with av.open(str(videos / f"{name}.mp4")) as container:
            frames = [scaler.scale(frame, 1).to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        pictures = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
        pictures = crop_and_resize(pictures, center_view(*pictures.shape[-2:]), tiny.data.size)
        with torch.no_grad():
            places = dense(len(frames), 4, rate=1.875, fps=FPS)
            expected = torch.cat([system.embed_clips(pictures[clip][None]) for clip in places])
        assert rows.dtype == torch.float32
        assert rows.shape == (CLIPS[name], tiny.model.projection)
        torch.testing.assert_close(rows, expected, rtol=1e-4, atol=1e-5)
    assert json.loads((made / "features.json").read_text())["step"] == step == 2


def features_there(*arguments):
    assert features(*arguments) == 3


@pytest.mark.slow
def test_two_ranks_write_what_one_does_and_name_the_bad(trained, videos, made, tmp_path, capsys):
    listed = tmp_path / "list.txt"
    (tmp_path / "noise.mp4").write_bytes(bytes(5000))
    listed.write_text("".join(f"{path}\n" for path in [*sorted(videos.iterdir()), "noise.mp4", "absent.mp4"]))
    together(2, features_there, trained, "--videos", listed, "--out", tmp_path / "two")
    one, two = read(made), read(tmp_path / "two")
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-5, atol=1e-6)
    assert {path.stem for path in (tmp_path / "two" / "failed").iterdir()} == {"noise", "absent"}

    # Again, with decoding processes: only what is missing is tried.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "two").glob("*.pt")}
    write_video(tmp_path / "noise.mp4", 9, 20)
    arguments = (trained, "--videos", listed, "--out", tmp_path / "two", "--set", "data.workers=2")
    with pytest.raises(SystemExit) as left:
        main(["features", *map(str, arguments)])
    assert left.value.code == 3
    said = capsys.readouterr()
    assert "5 of 6 videos" in said.out
    assert "absent.mp4" in said.err
    assert "noise" not in said.err
    assert len(read(tmp_path / "two")["noise"]) == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
def test_killed_and_repeated_it_goes_on(trained, videos, made, tmp_path):
    """A pipe in the place of a video holds the process where it can be killed."""
    for name in LENGTHS:
        (tmp_path / f"{name}.mp4").symlink_to(videos / f"{name}.mp4")
    (tmp_path / "c.mp4").unlink()
    os.mkfifo(tmp_path / "c.mp4")
    out = tmp_path / "features"
    line = [sys.executable, "train.py", "features", str(trained), "--videos", str(tmp_path), "--out", str(out)]
    process = subprocess.Popen(line, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(list(out.glob("[!.]*.pt"))) < 3 and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert sorted(read(out)) == ["a", "b", "d"]
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.pt")}
    (tmp_path / "c.mp4").unlink()
    (tmp_path / "c.mp4").symlink_to(videos / "c.mp4")
    (out / ".part-host-1-c.pt").write_bytes(b"half")  # as a kill while it is written leaves it
    assert features(trained, "--videos", tmp_path, "--out", out) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for name, rows in read(out).items():
        torch.testing.assert_close(rows, read(made)[name], rtol=1e-5, atol=1e-6)


def test_a_decoding_process_that_is_killed_is_one_line(trained, tmp_path):
    held = tmp_path / "held.mp4"
    os.mkfifo(held)

    def kill():
        end = os.open(held, os.O_WRONLY)  # opens once the process reads it
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
        os.close(end)

    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(InputError, match=r"was killed .*while it read .*held\.mp4"):
        features(trained, "--videos", tmp_path, "--out", tmp_path / "out", "--set", "data.workers=1")


def test_other_features_in_the_folder_are_refused(trained, videos, made, capsys, tmp_path):
    for arguments, words in [
        ((trained, "--videos", videos, "--out", made, "--rate", 2), "rate (1.875 -> 2.0)"),
        ((trained, "--videos", videos, "--out", tmp_path / "a", "--rate", 0), "--rate 0.0"),
        ((trained, "--videos", tmp_path / "none", "--out", tmp_path / "a"), "neither a folder"),
    ]:
        with pytest.raises(SystemExit) as left:
            main(["features", *map(str, arguments)])
        assert left.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith("curate: ")
        assert words in said
        assert said.count("\n") == 1
    assert not (tmp_path / "a").exists()


def test_features_are_of_weights_and_videos_not_of_paths(trained, videos, made, tiny, tmp_path):
    out = shutil.copytree(made, tmp_path / "features")
    moved = shutil.copytree(trained, tmp_path / "moved")
    assert features(moved, "--videos", videos, "--out", out) == 0
    run(replace(tiny, out=str(tmp_path / "run"), mcq_json="", max_steps=2, data=replace(tiny.data, seed=1)))
    with pytest.raises(InputError, match="holds other features: other weights"):
        features(tmp_path / "run", "--videos", videos, "--out", out)
    others = tmp_path / "videos"
    others.mkdir()
    shutil.copy(videos / "d.mp4", others / "a.mp4")
    with pytest.raises(InputError, match=r"a\.pt: of another video than .*a\.mp4 is now"):
        features(moved, "--videos", others, "--out", out)
    record = json.loads((out / "features.json").read_text())
    record.pop("weights")
    (out / "features.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="of an earlier version"):
        features(moved, "--videos", videos, "--out", out)


def test_a_model_without_texts_has_features_too(tiny):
    sizes = VideoMAEConfig.tiny()
    data = replace(tiny.data, size=sizes.image, frames=sizes.frames, negatives=False)
    system = build_system(replace(tiny, system="videomae", model=sizes, objective=Contrast(), data=data), None, CPU)
    frames = torch.randint(0, 255, (2, sizes.frames, 3, sizes.image, sizes.image), dtype=torch.uint8)
    found = system.model.eval() and system.features(frames)
    assert found.shape == (2, sizes.width)
    assert not torch.allclose(found[0], found[1])


def test_the_plan_stands_before_the_work_and_tells_what_is_there_already(trained, videos, tmp_path, capsys):
    listed, out = tmp_path / "list.txt", tmp_path / "out"
    (tmp_path / "noise.mp4").write_bytes(bytes(5000))
    paths = [*sorted(videos.iterdir())[:2], "noise.mp4"]
    listed.write_text("".join(f"{path}\n" for path in paths))
    assert features(trained, "--videos", listed, "--out", out) == 3
    said = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"3 videos to embed \(1 cannot be opened\), 0\.0 h of video: about .+ \([\d.,]+ h an hour\)", said[0]
    )
    assert features(trained, "--videos", videos, "--out", out) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"2 of 4 videos have features in {out} already" and said[1].startswith("2 videos to embed, 0.0 h")
    assert features(trained, "--videos", videos, "--out", out) == 0
    assert "to embed" not in capsys.readouterr().out
