"""A user's mistakes and a machine's: one clear line each, nothing lost."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ANNOTATIONS = Path("v2/annotations")


@pytest.fixture
def root(tiny_root, tmp_path):
    """A root of one's own to spoil: annotations copied, videos linked."""
    copy = tmp_path / "root"
    shutil.copytree(
        tiny_root, copy, copy_function=lambda a, b: shutil.copy(a, b) if a.endswith("json") else _link(a, b)
    )
    return copy


def _link(source, target):
    Path(target).symlink_to(source)
    return target


def _messages(stderr):
    """The lines but for those that only a slow machine prints: progress, and that Ray has not started yet."""
    slow = r"[\w ]+: [\d,]+ of [\d,]+, |still waiting for Ray"
    return [line for line in stderr.splitlines() if not re.match(slow, line)]


def _one_line(done, code, *words):
    assert done.returncode == code, done.stderr
    assert len(_messages(done.stderr)) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_a_missing_root(curate, tmp_path):
    _one_line(curate("egoclip", "--ego4d-root", tmp_path / "nowhere", "--out", tmp_path / "O"), 2, "nowhere")
    assert not (tmp_path / "O").exists()


def test_a_root_without_narrations(curate, root, tmp_path):
    (root / ANNOTATIONS / "narration.json").unlink()
    _one_line(curate("egoclip", "--ego4d-root", root, "--out", tmp_path / "O"), 2, "narration.json")
    assert not (tmp_path / "O").exists()


def test_a_broken_json(curate, root, tmp_path):
    path = root / ANNOTATIONS / "narration.json"
    path.write_text(path.read_text()[:5000])
    _one_line(curate("egoclip", "--ego4d-root", root, "--out", tmp_path / "O"), 2, "narration.json")
    assert not (tmp_path / "O" / "egoclip.parquet").exists()


@pytest.mark.slow
def test_a_video_that_does_not_decode_costs_only_its_own_clips(curate, root, tmp_path):
    done = curate("egoclip", "--ego4d-root", root, "--out", tmp_path / "whole", "--json")
    assert done.returncode == 0, done.stderr
    whole = json.loads(done.stdout)["samples"]
    uid = pq.read_table(tmp_path / "whole" / "egoclip.parquet")["video_uid"][0].as_py()
    video = root / "v2" / "full_scale" / f"{uid}.mp4"
    video.unlink()
    video.write_bytes(b"this is no video" * 1000)
    done = curate("egoclip", "--ego4d-root", root, "--out", tmp_path / "O", "--json")
    assert done.returncode == 3
    summary = json.loads(done.stdout)
    failed = pq.read_table(tmp_path / "O" / "shards" / "failed.parquet")
    assert set(failed["video_uid"].to_pylist()) == {uid}
    assert summary["samples"] + failed.num_rows == whole
    assert sum(summary["failed"].values()) == failed.num_rows


@pytest.mark.slow
def test_a_full_disk_says_so_and_keeps_what_is_done(curate, tiny_root, tmp_path):
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets no user mount a file system of their own, which the test fills")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = f"{sys.executable} -m egocurate egoclip --ego4d-root {tiny_root} --out {disk}/O --shard-clips 8"
    script = f"mount -t tmpfs -o size=400k tmpfs {disk} && {command}; code=$?; ls {disk}/O/shards; exit $code"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, timeout=240, check=False
    )
    _one_line(done, 3, "space")
    assert ".tar" in done.stdout
    assert ".part-" not in done.stdout


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(curate, tiny_root, tmp_path):
    command = [
        sys.executable,
        "-m",
        "egocurate",
        "egoclip",
        "--ego4d-root",
        str(tiny_root),
        "--shard-clips",
        "4",
    ]
    reference = curate(*command[3:], "--out", tmp_path / "reference", "--json")
    assert reference.returncode == 0, reference.stderr
    out = tmp_path / "O"
    running = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(out.glob("shards/*.tar")) and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 130, stderr
    assert len(_messages(stderr)) == 1, stderr
    assert "same command goes on" in stderr
    assert not list(out.rglob(".part-*"))
    assert not (out / "shards" / "manifest.json").exists()
    again = curate(*command[3:], "--out", out, "--json")
    assert again.returncode == 0, again.stderr
    for path in (tmp_path / "reference" / "shards").iterdir():
        assert (out / "shards" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.slow
def test_an_output_folder_of_another_run(curate, tiny_root, root, tmp_path):
    assert curate("egoclip", "--ego4d-root", tiny_root, "--out", tmp_path / "O", "--tables-only").returncode == 0
    path = root / ANNOTATIONS / "narration.json"
    narration = json.loads(path.read_text())
    narration.pop(next(iter(narration)))
    path.write_text(json.dumps(narration))
    other = curate("egoclip", "--ego4d-root", root, "--out", tmp_path / "O", "--tables-only")
    _one_line(other, 2, "narration.json changed", "--out")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--alpha", "soon"), ("--alpha soon",)),
        (("--window", "wobbly"), ("wobbly", "egoclip")),
        (("--without-filter", "noise"), ("noise", "stereo")),
        (("--profile", "huge"), ("huge", "train")),
        (("--lexicon", "/nowhere"), ("/nowhere",)),
    ],
)
def test_a_wrong_option_value_names_the_right_ones(curate, tiny_root, tmp_path, args, words):
    _one_line(curate("egoclip", "--ego4d-root", tiny_root, "--out", tmp_path / "O", *args), 2, *words)
    assert not (tmp_path / "O" / "egoclip.parquet").exists()
