"""Roots and tables that gain videos: the same command adds their clips, and leaves what is there as it is."""

import json
import shutil
from pathlib import Path

import av
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.commands.curate import main
from egocurate.errors import InputError
from egocurate.loaders.clip_stream import Stream, stream
from egocurate.loaders.config import StreamConfig
from egocurate.shards.check.verify import verify
from egocurate.shards.read.index import ShardIndex

pytestmark = pytest.mark.usefixtures("ray_up")


@pytest.fixture
def run(capsys):
    """Run `curate ARGS... --json` in this process; returns its exit status, its summary and its line of error."""

    def start(*arguments):
        with pytest.raises(SystemExit) as left:
            main([*map(str, arguments), "--json"])
        said = capsys.readouterr()
        return left.value.code, json.loads(said.out) if said.out else None, said.err

    return start


def tars(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.tar"))}


def streamed(folder: Path) -> set[str]:
    index = ShardIndex.open(folder)
    assert verify(folder) == []
    return {json.loads(index.read_json(sample))["key"] for sample in range(len(index))}


def keys(table: Path) -> list[str]:
    return pq.read_table(table)["key"].to_pylist()


@pytest.fixture
def partial_root(tiny_root, tmp_path):
    """A copy of the tiny root, and a folder with the videos of it that are yet to come: all but two to train on."""
    root, later = tmp_path / "root", tmp_path / "later"
    shutil.copytree(tiny_root, root)
    later.mkdir()
    train = [video["video_uid"] for video in json.loads((root / "ego4d.json").read_text())["videos"][:6]]
    for uid in train[2:]:
        (root / "v2" / "full_scale" / f"{uid}.mp4").rename(later / f"{uid}.mp4")
    return root, later


def test_a_partial_download_is_no_failure_and_grows(partial_root, run, tmp_path):
    root, later = partial_root
    out = tmp_path / "O"
    command = ("egoclip", "--ego4d-root", root, "--out", out, "--shard-clips", 8)
    status, first, error = run(*command)
    assert (status, error) == (0, "")
    waiting = first["waiting_for"]
    assert waiting["videos_not_on_disk"] >= 3 and first["samples"] + waiting["clips"] == first["clips"]
    listed = pd.read_csv(first["waiting_list"])
    assert listed["clips"].sum() == waiting["clips"] and len(listed) == waiting["videos_not_on_disk"]
    assert run(*command, "--strict")[0] == 3
    before, table = tars(out / "shards"), (out / "egoclip.parquet").read_bytes()

    for video in sorted(later.iterdir())[:2]:
        video.rename(root / "v2" / "full_scale" / video.name)
    status, second, _ = run(*command)
    assert status == 0 and second["samples"] > first["samples"]
    assert second["new_samples"] == second["samples"] - first["samples"]
    assert before.items() <= tars(out / "shards").items() and (out / "egoclip.parquet").read_bytes() == table

    between, state = tars(out / "shards"), stream_of(out).state_dict()
    status, third, error = run(*command, "--videos-dir", later, "--strict")
    assert (status, error) == (0, "") and "waiting_for" not in third
    assert between.items() <= tars(out / "shards").items()
    assert streamed(out / "shards") == set(keys(out / "egoclip.parquet"))
    with pytest.raises(InputError, match=r"shards in .*O/shards have grown since .*begin a new run from its weights"):
        stream_of(out).load_state_dict(state)


def stream_of(out: Path) -> Stream:
    return stream(out / "shards", batch_size=4, config=StreamConfig(frames=4, size=32, workers=0))


def test_where_no_video_is_the_error_says_where_they_were_looked_for(partial_root, run, tmp_path):
    root, _ = partial_root
    shutil.rmtree(root / "v2" / "full_scale")
    empty = tmp_path / "empty"
    empty.mkdir()
    for command in (("egoclip", "--out", tmp_path / "O"), ("segments", "--out", tmp_path / "S")):
        status, _, error = run(*command, "--ego4d-root", root, "--videos-dir", empty)
        assert status == 2 and error.count("\n") == 1
        places = ", ".join(map(str, (empty, root / "v2" / "video_540ss", root / "video_540ss")))
        assert f"looked for <video_uid>.mp4 in {places}" in error
    table = tmp_path / "t.csv"
    table.write_text("video,time,text\na.mp4,1,#C C takes the cup\n")
    command = ("egoclip", "--out", tmp_path / "T", "--source", "table", "--root", table, "--videos-dir", empty)
    status, _, error = run(*command)
    assert status == 2 and f"looked for what column video names in {empty}, {tmp_path}): fetch them" in error
    status, _, error = run("egoclip", "--out", tmp_path / "O", "--ego4d-root", root, "--videos-dir", tmp_path / "no")
    assert status == 2 and f"--videos-dir {tmp_path / 'no'}: there is no such folder" in error


def test_a_newer_narration_json_with_more_videos_grows_the_tables(tiny_root, run, tmp_path):
    root, out = tmp_path / "root", tmp_path / "O"
    shutil.copytree(tiny_root, root)
    path = root / "v2" / "annotations" / "narration.json"
    whole = json.loads(path.read_text())
    train = [video["video_uid"] for video in json.loads((root / "ego4d.json").read_text())["videos"][:6]]
    late = min(train)  # its clips would come first in a new table
    fewer = {uid: entry for uid, entry in whole.items() if uid != late}
    path.write_text(json.dumps(fewer))
    command = ("egoclip", "--ego4d-root", root, "--out", out, "--shard-clips", 8)
    _, first, _ = run(*command)
    before, table = tars(out / "shards"), pq.read_table(out / "egoclip.parquet")

    path.write_text(json.dumps(whole))
    status, second, _ = run(*command)
    assert status == 0 and second["new_clips"] == second["clips"] - first["clips"] > 0
    grown = pq.read_table(out / "egoclip.parquet")
    assert grown.slice(0, len(table)).equals(table)
    assert set(grown.slice(len(table))["video_uid"].to_pylist()) == {late}
    assert grown["clip_idx"].to_pylist() == list(range(len(grown)))
    assert before.items() <= tars(out / "shards").items()
    assert streamed(out / "shards") == set(keys(out / "egoclip.parquet"))

    path.write_text(json.dumps(fewer))
    status, _, error = run(*command)
    assert (
        status == 2
        and f"narration.json changed): the clips of 1 videos there would be others now ({late}: narrations)" in error
    )


@pytest.fixture
def own(tiny_root, tmp_path):
    """A folder for videos of one's own, some that may be brought there, and a table written from rows."""
    videos = sorted((tiny_root / "v2" / "full_scale").glob("*.mp4"))
    folder = tmp_path / "own"
    folder.mkdir()

    def bring(*names: str) -> None:
        for name in names:
            shutil.copy(videos[ord(name) - ord("a")], folder / f"{name}.mp4")

    def write(rows: list[tuple]) -> Path:
        columns = ["video", "time", "text", "duration"][: len(rows[0])]
        pd.DataFrame(rows, columns=columns).to_csv(folder / "t.csv", index=False)
        return folder / "t.csv"

    return bring, write


def narrated(video: str, *more: object) -> list[tuple]:
    texts = ("#C C takes the cup", "#C C opens a door", "#C C cuts an onion")
    return [(f"{video}.mp4", 2.0 + 3 * n, text, *more) for n, text in enumerate(texts)]


@pytest.mark.parametrize("more", [(), (20.0,)], ids=["length unknown", "length given"])
def test_a_table_waits_for_its_videos_as_ego4d_does(own, run, tmp_path, more):
    bring, write = own
    bring("b")
    table, out = write(narrated("a", *more) + narrated("b", *more)), tmp_path / "O"
    command = ("egoclip", "--source", "table", "--root", table, "--out", out)
    status, first, _ = run(*command)
    assert status == 0 and first["waiting_for"] == {"clips": 3, "videos_not_on_disk": 1}
    assert run(*command, "--strict")[0] == 3
    before = tars(out / "shards")
    bring("a")
    status, second, _ = run(*command, "--strict")
    assert (status, second["samples"], second["new_samples"]) == (0, 6, 3)
    assert before.items() <= tars(out / "shards").items() and "waiting_for" not in second
    assert streamed(out / "shards") == set(keys(out / "egoclip.parquet"))
    assert run(*command)[1]["tables"] == "already there, unchanged"
    for video in table.parent.glob("*.mp4"):
        video.unlink()
    status, third, _ = run(*command, "--strict")
    assert (status, third["samples"], third["shards_state"]) == (0, 6, "already there, unchanged")


@pytest.mark.parametrize("alpha", ["4.9", "auto"])
def test_a_table_that_gains_videos_keeps_the_clips_it_has(own, run, tmp_path, alpha):
    bring, write = own
    bring("b", "d")
    # One narration alone: how long its clip is depends on the mean gap of all videos.
    rows = [*narrated("b"), ("d.mp4", 5.0, "#C C washes a plate")]
    out = tmp_path / "O"
    command = ("egoclip", "--source", "table", "--root", write(rows), "--out", out, "--alpha", alpha)
    run(*command)
    before, table = tars(out / "shards"), pq.read_table(out / "egoclip.parquet")
    bring("a", "c")
    write([*narrated("a"), *rows, ("c.mp4", 1.0, "#C C paints a wall"), ("c.mp4", 15.0, "#C C takes the cup")])
    status, summary, error = run(*command)
    assert (status, error) == (0, "") and summary["new_clips"] == 5
    grown = pq.read_table(out / "egoclip.parquet")
    assert grown.slice(0, len(table)).equals(table) and grown.num_rows == 9
    assert before.items() <= tars(out / "shards").items()
    assert streamed(out / "shards") == set(grown["key"].to_pylist())
    assert pd.read_csv(out / "egoclip.csv", sep="\t")["clip_idx"].tolist() == list(range(9))
    numbers = dict(zip(grown["clip_idx"].to_pylist(), grown["video_uid"].to_pylist(), strict=True))
    for row in grown.to_pylist():
        assert {numbers[number] for number in row["negatives"]} <= {row["video_uid"]}


def test_narrations_of_earlier_videos_that_changed_are_refused_by_name(own, run, tmp_path):
    bring, write = own
    bring("a", "b")
    command = ("egoclip", "--source", "table", "--out", tmp_path / "O")
    run(*command, "--root", write(narrated("a") + narrated("b")))
    before = tars(tmp_path / "O" / "shards")
    changed = [(video, time, text.replace("door", "window")) for video, time, text in narrated("b")]
    status, _, error = run(*command, "--root", write(narrated("a") + changed))
    assert status == 2 and error.count("\n") == 1
    assert "(table changed): the clips of 1 videos there would be others now (b: clip_text" in error
    assert "name another --out" in error
    assert tars(tmp_path / "O" / "shards") == before


def test_a_video_that_gains_narrations_keeps_its_clips_and_their_tars(own, run, tmp_path):
    bring, write = own
    bring("a", "b")
    out = tmp_path / "O"
    command = ("egoclip", "--source", "table", "--out", out)
    run(*command, "--root", write(narrated("a") + narrated("b")))
    before, table = tars(out / "shards"), pq.read_table(out / "egoclip.parquet")
    prints = stream_print(out)
    # At the end of the video, which makes the mean gap of its narrations, and so every window, another.
    status, summary, error = run(
        *command, "--root", write([*narrated("a"), *narrated("b"), ("b.mp4", 9.5, "#C C washes a plate")])
    )
    assert (status, error, summary["new_clips"], summary["windows_kept_in_videos"]) == (0, "", 1, 1)
    grown = pq.read_table(out / "egoclip.parquet")
    assert grown.slice(0, len(table)).equals(table) and grown["clip_text"][-1].as_py() == "#C C washes a plate"
    assert before.items() <= tars(out / "shards").items()
    assert streamed(out / "shards") == set(grown["key"].to_pylist())
    # The order is another now, and says so.
    assert ShardIndex.open(out / "shards").earlier_fingerprints == [prints] != [stream_print(out)]


def stream_print(out: Path) -> str:
    return ShardIndex.open(out / "shards").fingerprint


def test_a_video_that_was_cut_short_is_tried_again_in_the_same_folder_when_it_is_whole(own, run, tmp_path):
    bring, write = own
    bring("a", "b")
    whole = (tmp_path / "own" / "b.mp4").read_bytes()
    with av.open(tmp_path / "own" / "b.mp4", "w") as short:
        stream = short.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(32):
            short.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        short.mux(stream.encode(None))
    out = tmp_path / "O"
    command = ("egoclip", "--source", "table", "--out", out, "--root", write(narrated("a") + narrated("b")))
    status, first, _ = run(*command)
    assert first["clips"] == 4
    before = tars(out / "shards")
    (tmp_path / "own" / "b.mp4").write_bytes(whole)
    status, second, error = run(*command)
    assert (status, error, second["clips"], second["samples"]) == (0, "", 6, 6)
    assert before.items() <= tars(out / "shards").items() and verify(out / "shards") == []


def test_segments_grow(partial_root, run, tmp_path):
    root, later = partial_root
    command = ("segments", "--ego4d-root", root, "--out", tmp_path / "S", "--seconds", 5, "--stride", 5)
    broken = min((root / "v2" / "full_scale").iterdir())
    whole = broken.read_bytes()
    broken.write_bytes(b"no video")
    status, first, _ = run(*command)
    assert status == 3 and first["failed"] == {"cannot open": 4} and first["waiting_for"]["videos_not_on_disk"] == 4
    before = tars(tmp_path / "S")
    broken.write_bytes(whole)
    status, second, _ = run(*command, "--videos-dir", later, "--strict")
    assert status == 0 and "failed" not in second and second["samples"] > first["samples"]
    assert before.items() <= tars(tmp_path / "S").items()
    assert streamed(tmp_path / "S") == set(keys(tmp_path / "S" / "segments.parquet"))
    lost = sorted((tmp_path / "S").glob("*.tar"))[-1]
    data = lost.read_bytes()
    lost.unlink()
    status, mended, _ = run("verify", tmp_path / "S", "--repair", "--ego4d-root", root, "--videos-dir", later)
    assert (status, mended["cut_again"], lost.read_bytes() == data) == (0, [lost.name], True)


def test_segments_of_another_length_do_not_mix_with_those_of_a_run_that_did_not_finish(tiny_root, run, tmp_path):
    command = ("segments", "--ego4d-root", tiny_root, "--out", tmp_path / "S", "--seconds", 5)
    run(*command)
    (tmp_path / "S" / "segments.run.json").unlink()
    status, _, error = run(*command, "--stride", 5)
    assert status == 2 and "has segments of 5.0 s, one every 4.0 s, not of 5.0 s, one every 5.0 s: name" in error


def test_shards_of_a_table_that_gained_rows_grow(tiny_root, run, tmp_path):
    run("egoclip", "--ego4d-root", tiny_root, "--out", tmp_path / "O", "--tables-only")
    whole = pq.read_table(tmp_path / "O" / "egoclip.parquet")
    last = whole["video_uid"].to_pylist()[-1]
    is_last = pa.array([uid == last for uid in whole["video_uid"].to_pylist()])
    path = tmp_path / "clips.parquet"
    pq.write_table(whole.slice(0, is_last.to_pylist().index(True)), path)
    command = ("shards", "--egoclip", path, "--ego4d-root", tiny_root, "--out", tmp_path / "S")
    run(*command)
    before = tars(tmp_path / "S")
    pq.write_table(whole, path)
    status, summary, error = run(*command)
    assert (status, error, summary["samples"]) == (0, "", len(whole))
    assert before.items() <= tars(tmp_path / "S").items()
    pq.write_table(whole.slice(1), path)
    status, _, error = run(*command)
    assert status == 2 and "holds shards of another plan; what differs: clips" in error
