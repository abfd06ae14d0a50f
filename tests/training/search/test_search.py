"""`curate search`: videos are embedded once, whatever stops, changes or is bad, and a text finds what was embedded."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from egocurate.commands.curate import app
from egocurate.errors import InputError
from egocurate.training.run.load_model import load_model
from egocurate.training.search.search_index import SearchIndex
from tests.training.runs import run
from tests.training.tasks.test_features import FPS, write_video

LENGTHS = {"a": 40, "b": 41, "c": 3}  # frames
WINDOWS = {"a": 9, "b": 10, "c": 1}  # of 1 s, half a second apart; the last one ends with the video
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    run(replace(tiny, out=str(out / "run"), mcq_json="", max_steps=2))
    return out / "run"


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for seed, (name, count) in enumerate(LENGTHS.items()):
        write_video(folder / f"{name}.mp4", seed, count)
    return folder


def search(*arguments):
    return app(["search", *map(str, arguments)], standalone_mode=False) or 0


def windows_of(index):
    packed = SearchIndex.open(index)._packed
    counts = np.bincount(packed.video, minlength=len(packed.names))
    return dict(zip(packed.names, counts.tolist(), strict=True))


def compressed(path):
    file = io.BytesIO()
    with np.load(path) as arrays:
        np.savez_compressed(file, **arrays)
    return file.getvalue()


def written(index):
    return {path.stem: path.stat().st_mtime_ns for path in (index / "videos").glob("[!.]*.npz")}


def test_a_text_finds_the_window_whose_embedding_is_nearest(trained, videos, tmp_path, capsys):
    index, out = tmp_path / "index", tmp_path / "found.json"
    assert search(trained, "Move the cup 3.", "lift it", "--videos", videos, "--index", index, "--json", out) == 0
    assert windows_of(index) == WINDOWS

    model = load_model(trained, device="cpu")
    stretches = [(start / 2, start / 2 + 1) for start in range(9)]
    rows = model.embed_video(videos / "a.mp4", stretches)
    packed = SearchIndex.open(index)._packed
    ours = torch.from_numpy(packed.rows[packed.video == packed.names.index("a")].astype(np.float32))
    assert (rows * ours).sum(1).min() > 0.99  # but for the compression of clips in shards

    queries = json.loads(out.read_text())["queries"]
    assert [query["text"] for query in queries] == ["Move the cup 3.", "lift it"]
    assert queries[0]["searched_as"] == "moves the cup 3"
    best = queries[0]["hits"][0]
    scores = (torch.from_numpy(packed.rows.astype(np.float32)) @ model.embed_text(["moves the cup 3"])[0]).numpy()
    place = int(scores.argmax())
    assert best["score"] == pytest.approx(float(scores[place]), abs=2e-3)
    assert best["video"] == packed.names[packed.video[place]]
    assert best["start_sec"] <= packed.stretches[place, 0] and packed.stretches[place, 1] <= best["end_sec"]
    assert best["path"] == str(videos / f"{best['video']}.mp4")
    assert "as “moves the cup 3”" in capsys.readouterr().out


def test_an_index_in_the_run_is_searched_without_its_videos(trained, videos, capsys):
    assert search(trained, "--videos", videos) == 0
    assert "3 videos in " in capsys.readouterr().out
    assert search(trained, "lifts it", "--top", "2") == 0
    said = capsys.readouterr().out
    assert "embedded now" not in said and len(said.splitlines()) == 5  # two hits below the text
    shutil.rmtree(trained / "search-index")


def test_only_what_is_new_or_has_changed_is_embedded(trained, videos, tmp_path):
    index = tmp_path / "index"
    late = videos / "b.mp4"
    late.rename(tmp_path / "b.mp4")
    assert search(trained, "--videos", videos, "--index", index) == 0
    first = written(index)
    (tmp_path / "b.mp4").rename(late)
    write_video(videos / "c.mp4", 7, 9)
    assert search(trained, "--videos", videos, "--index", index) == 0
    second = written(index)
    assert second["a"] == first["a"] and second["c"] > first["c"]
    assert windows_of(index) == WINDOWS | {"c": 2}
    assert search(trained, "--videos", videos, "--index", index) == 0
    assert written(index) == second
    assert len(list(index.glob("packed-*"))) == 1


def test_videos_that_have_moved_are_known_and_a_name_of_two_videos_is_refused(trained, videos, tmp_path, capsys):
    index, moved = tmp_path / "index", tmp_path / "moved"
    assert search(trained, "--videos", videos, "--index", index) == 0
    videos.rename(moved)
    capsys.readouterr()
    assert search(trained, "--videos", moved, "--index", index) == 0
    assert "embedded now" not in capsys.readouterr().out
    assert SearchIndex.open(index).videos["a"] == str(moved / "a.mp4")
    other = tmp_path / "other"
    other.mkdir()
    write_video(other / "a.mp4", 9, 20)
    with pytest.raises(InputError, match=r"moved/a\.mp4 by the same name"):
        search(trained, "--videos", other, "--index", index)


def test_bad_videos_are_named_and_left_out(trained, videos, tmp_path, capsys):
    index = tmp_path / "index"
    (videos / "b.mp4").write_bytes(b"no video")
    assert search(trained, "lifts it", "--videos", videos, "--index", index) == 3
    said = capsys.readouterr()
    assert str(videos / "b.mp4") in said.err and "cannot open" in said.err
    assert "lifts it" in said.out
    assert windows_of(index) == {"a": 9, "c": 1}


def test_no_video_at_all_is_one_line(trained, videos, tmp_path, capsys):
    for path in videos.iterdir():
        path.write_bytes(b"no video")
    with pytest.raises(InputError, match="no video is in the index"):
        search(trained, "lifts it", "--videos", videos, "--index", tmp_path / "index")
    assert capsys.readouterr().err.count("bad: ") == 3


def test_an_index_of_other_embeddings_is_refused(trained, tiny, videos, tmp_path):
    index = tmp_path / "index"
    assert search(trained, "--videos", videos, "--index", index) == 0
    run(replace(tiny, out=str(tmp_path / "run"), mcq_json="", max_steps=1))
    before = written(index)
    for options in (["--videos", videos], []):
        with pytest.raises(InputError, match=r"other weights.*--index"):
            search(tmp_path / "run", "lifts it", "--index", index, *options)
    with pytest.raises(InputError, match=r"window_sec \(1.0 -> 2.0\)"):
        search(trained, "--videos", videos, "--index", index, "--window", "2")
    assert written(index) == before


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["RUN", "lifts it"], "no index yet; name the videos"),
        (["RUN"], "say what to find"),
        (["RUN", " "], "says nothing"),
        ([], "say what to find"),
        (["nowhere", "lifts it"], "nowhere"),
        (["--weights", "w.pth", "lifts it"], "--index"),
        (["RUN", "lifts it", "--videos", "nowhere"], "--videos nowhere"),
        (["RUN", "--serve", "--sheet", "s.png"], "--sheet s.png: give a text"),
        (["RUN", "lifts it", "--page", "nowhere/p.html"], "no folder nowhere"),
        (["RUN", "lifts it", "--stride", "2", "--window", "1"], "--stride 2"),
        (["RUN", "lifts it", "--window", "nan"], "--window nan"),
        (["RUN", "lifts it", "--index", "RUN"], "holds a training run"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(arguments, line, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=line):
        search(*(str(trained) if argument == "RUN" else argument for argument in arguments))
    assert not list(tmp_path.iterdir()) and not (trained / "search-index").exists()


def test_a_damaged_index_is_one_line(trained, videos, tmp_path):
    index = tmp_path / "index"
    assert search(trained, "--videos", videos, "--index", index) == 0
    note = json.loads((index / "packed.json").read_text())
    for broken in (
        {},
        note | {"digest": "../../elsewhere"},
        note | {"videos": note["videos"][:1]},
        note | {"videos": 3},
    ):
        (index / "packed.json").write_text(json.dumps(broken))
        with pytest.raises(InputError, match=r"packed\.json cannot be read"):
            search(trained, "lifts it", "--index", index)
    for damaged in (b"PK damaged", compressed(index / "videos" / "a.npz")):
        (index / "videos" / "a.npz").write_bytes(damaged)
        assert search(trained, "--videos", videos, "--index", index) == 0  # the damaged video is embedded again
        assert windows_of(index) == WINDOWS
    with np.load(index / "videos" / "a.npz") as arrays:
        np.savez(index / "videos" / "a.npz", **dict(arrays) | {"rows": arrays["rows"][:, :3]})
    (index / "packed.json").unlink()
    with pytest.raises(InputError, match=r"a\.npz was damaged"):
        search(trained, "--videos", videos, "--index", index)
    assert search(trained, "--videos", videos, "--index", index) == 0
    assert windows_of(index) == WINDOWS


@pytest.mark.slow
def test_ctrl_c_ends_a_served_search_with_one_line(trained, videos, tmp_path):
    index = tmp_path / "index"
    assert search(trained, "--videos", videos, "--index", index) == 0
    command = [sys.executable, "-m", "egocurate", "search", trained, "--index", index, "--serve"]
    serving = subprocess.Popen(
        [*map(str, command)], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    url = next(line.removeprefix("open ").strip() for line in serving.stdout if line.startswith("open "))
    with urllib.request.urlopen(f"{url}?q=lift+it") as page:
        assert "Searched as “lifts it”" in page.read().decode()
    serving.send_signal(signal.SIGINT)
    _, said = serving.communicate(timeout=60)
    assert serving.returncode == 130
    assert said.splitlines() == [
        "curate: interrupted; what is in the index is kept, and the same command goes on from there"
    ]


@pytest.mark.slow
def test_a_killed_update_goes_on_from_the_videos_that_it_has(trained, videos, tmp_path):
    index = tmp_path / "index"
    for seed in range(12):
        write_video(videos / f"more-{seed}.mp4", seed, 160)
    command = [sys.executable, "-m", "egocurate", "search", trained, "--videos", videos, "--index", index]
    killed = subprocess.Popen([*map(str, command)], cwd=REPOSITORY, stderr=subprocess.DEVNULL, start_new_session=True)
    while len(written(index)) < 2 and killed.poll() is None:
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    kept = written(index)
    assert 2 <= len(kept) < 15
    assert search(trained, "--videos", videos, "--index", index) == 0
    assert kept.items() <= written(index).items()
    assert len(windows_of(index)) == 15
    assert FPS == 8 and windows_of(index)["more-0"] == 39
