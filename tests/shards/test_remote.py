"""Roots and outputs in an object store: the same bytes as on a disk, nothing half visible, ranges only."""

import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from egocurate.commands.report import write_report
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.errors import InputError, StoreError
from egocurate.shards.check.verify import verify
from egocurate.shards.profiles import profile
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.write.job import ShardJob, VideoFile
from egocurate.shards.write.write_shards import write_shards
from egocurate.storage import paths as store
from egocurate.storage.atomic import atomic_file, atomic_write
from egocurate.storage.locks.lock import locked
from egocurate.storage.locks.remote_lock import RemoteLockFile
from egocurate.storage.paths import BUFFER_BYTES, as_path, check_bucket, end_uploads, read_bytes
from egocurate.storage.remote_file import RemoteFile

BUCKET = "s3://bucket"


@pytest.fixture(scope="module")
def root(s3, tiny_root):
    """The tiny root, uploaded."""
    url = f"{BUCKET}/ego4d"
    as_path(url).fs.put(f"{tiny_root}/", "bucket/ego4d/", recursive=True)
    return url


@pytest.fixture(scope="module")
def built(s3, root, tiny_root, curate, tmp_path_factory):
    """(local folder, URL, requests of the remote run) of the same `curate egoclip` on the root and its copy."""
    local, url = tmp_path_factory.mktemp("local") / "out", f"{BUCKET}/out"
    options = ("--shard-clips", 16, "--json")
    made = curate("egoclip", "--ego4d-root", tiny_root, "--out", local, *options)
    assert made.returncode == 0, made.stderr
    before = len(s3.requests)
    made = curate("egoclip", "--ego4d-root", root, "--out", url, *options)
    assert made.returncode == 0, made.stderr
    return local, url, s3.requests[before:]


def objects(url):
    """Return {path below url: sha256} of every object."""
    folder = as_path(url)
    names = folder.fs.find(folder.path)
    return {name.removeprefix(folder.path + "/"): digest(folder.fs.cat_file(name)) for name in names}


def files(folder):
    paths = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): digest(path.read_bytes()) for path in paths}


def digest(data):
    return hashlib.sha256(data).hexdigest()


def uploads():
    return as_path(BUCKET).fs.call_s3("list_multipart_uploads", Bucket="bucket").get("Uploads", [])


@pytest.mark.slow
def test_a_run_from_store_to_store_leaves_the_objects_of_a_local_run_and_nothing_else(built):
    local, url, _ = built
    here, there = files(local), objects(url)
    assert here.keys() == there.keys()
    assert {name for name in here if here[name] != there[name]} == {"egoclip.run.json"}
    assert not uploads()


def test_videos_are_read_by_ranges(built, root, tiny_root):
    _, _, requests = built
    videos = [r for r in requests if r.path.endswith(".mp4") and r.method == "GET"]
    assert videos
    assert all(r.range for r in videos)
    assert {r.status for r in videos} == {206}
    # A small video is one block, and each shard that needs a video opens it twice.
    assert len(videos) <= 4 * len({r.path for r in videos})


def test_the_same_shards_again_are_there_already(built, root, s3):
    local, url, _ = built
    videos = Ego4DSource(root).videos()
    files = {row.video_uid: VideoFile(row.path) for row in videos.itertuples() if row.path}
    manifest = json.loads((local / "shards" / "manifest.json").read_bytes())
    job = ShardJob(
        pq.read_table(local / "egoclip.parquet"),
        files,
        as_path(f"{url}/shards"),
        profile("train"),
        clips_per_shard=16,
        num_verbs=manifest["num_verbs"],
        num_nouns=manifest["num_nouns"],
        lexicon=manifest["lexicon"],
    )
    before, asked = objects(url), len(s3.requests)
    assert write_shards(job).already_done
    assert objects(url) == before
    assert {r.path for r in s3.requests[asked:] if r.method == "PUT"} == {"/bucket/out/shards/.lock"}
    with pytest.raises(InputError, match="holds shards of another plan; what differs: clips per shard"):
        write_shards(replace(job, clips_per_shard=5))


@pytest.mark.slow
def test_a_partial_root_in_a_store_grows_and_videos_may_be_elsewhere(built, tiny_root, curate, s3):
    local, _, _ = built
    root, later, out = (f"{BUCKET}/{name}" for name in ("partial", "later", "grown"))
    fs = as_path(BUCKET).fs
    fs.put(f"{tiny_root}/", "bucket/partial/", recursive=True)
    late = sorted(set(pq.read_table(local / "egoclip.parquet")["video_uid"].to_pylist()))[::2]
    for uid in late:
        fs.mv(f"bucket/partial/v2/full_scale/{uid}.mp4", f"bucket/later/{uid}.mp4")
    command = ("egoclip", "--ego4d-root", root, "--out", out, "--shard-clips", 16, "--json")
    first = curate(*command)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["waiting_for"]["videos_not_on_disk"] == len(late)
    before = {name: sha256 for name, sha256 in objects(out).items() if name.endswith(".tar")}
    asked = len(s3.requests)
    second = curate(*command, "--videos-dir", later, "--strict")
    assert second.returncode == 0, second.stderr
    assert before.items() <= objects(out).items() and verify(f"{out}/shards") == []
    assert json.loads(second.stdout)["samples"] == len(ShardIndex.open(local / "shards"))
    written = {request.path for request in s3.requests[asked:] if request.method in ("PUT", "POST")}
    assert not {f"/bucket/grown/{name}" for name in before} & written


def test_verify_and_show_read_from_the_store(built, curate, tmp_path):
    _, url, _ = built
    assert verify(f"{url}/shards") == []
    shown = curate("show", f"{url}/shards", 0, "--out", tmp_path / "clip.png")
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "clip.png").read_bytes().startswith(b"\x89PNG")
    page = write_report(as_path(url))
    assert str(page) == f"{url}/report.html"
    assert b"Narrations left" in read_bytes(page)
    page.unlink()


def test_a_clip_is_one_request_of_its_own_bytes(built, s3):
    local, url, _ = built
    here, there = ShardIndex.open(local / "shards"), ShardIndex.open(f"{url}/shards")
    assert there.fingerprint == here.fingerprint
    asked = len(s3.requests)
    for sample in range(len(here)):
        assert there.read_video(sample) == here.read_video(sample)
    requests = s3.requests[asked:]
    assert len(requests) == len(here)
    assert sum(r.bytes for r in requests) == sum(here.row(i).video_span[1] for i in range(len(here)))


def test_an_index_opened_before_a_fork_reads_in_the_child(built):
    local, url, _ = built
    index, same = ShardIndex.open(f"{url}/shards"), ShardIndex.open(local / "shards")
    index.read_video(0)
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    child = fork.Process(target=lambda: answers.put((index.read_video(3), index.crc32(3))))
    child.start()
    data, sums = answers.get(timeout=30)
    child.join()
    assert data == same.read_video(3)
    assert sums == same.crc32(3)


def test_http_reads_shards_too(built, s3):
    local, _, _ = built
    url = f"{s3.url}/bucket/out/shards"
    fs = as_path(BUCKET).fs
    for name in fs.ls("bucket/out/shards"):
        fs.chmod(name, acl="public-read")
    index = ShardIndex.open(url)
    assert index.read_video(5) == ShardIndex.open(local / "shards").read_video(5)
    with pytest.raises(InputError, match="http is for reading"):
        from egocurate.commands.output.run_record import open_run

        open_run(as_path(url), "egoclip", {}, {})


@pytest.mark.slow
def test_a_killed_run_leaves_whole_objects_and_the_next_one_writes_only_what_is_missing(built, root, curate, s3):
    local, _, _ = built
    url = f"{BUCKET}/killed"
    command = ["shards", "--egoclip", local, "--ego4d-root", root, "--out", url, "--shard-clips", 16]
    asked = len(s3.requests)
    run = subprocess.Popen(
        [sys.executable, "-m", "egocurate", *map(str, command)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not [r for r in s3.requests[asked:] if r.method == "PUT" and r.path.endswith(".tar")]:
        assert run.poll() is None
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    time.sleep(1)  # in which Ray's workers notice
    whole = {name: value for name, value in objects(url).items() if name.endswith(".tar")}
    assert "manifest.json" not in objects(url)
    asked = len(s3.requests)
    made = curate(*command)
    assert made.returncode == 0, made.stderr
    written = [r.path.rpartition("/")[2] for r in s3.requests[asked:] if r.method == "PUT"]
    assert not whole.keys() & set(written)
    there, here = objects(url), files(local / "shards")
    assert whole.items() <= there.items()
    assert there.pop("shards.run.json")
    assert there == here
    assert not uploads()


def test_a_second_driver_is_refused_and_a_dead_one_is_not_waited_for(s3):
    folder = as_path(f"{BUCKET}/locked")
    with locked(folder, RemoteLockFile(folder)):
        refusal = rf"another run is writing in {folder} \(process {os.getpid()} on"
        with pytest.raises(InputError, match=refusal), locked(folder, RemoteLockFile(folder)):
            pass
        held = json.loads(read_bytes(folder / ".lock"))
    assert objects(folder) == {}
    atomic_write(folder / ".lock", lambda file: file.write(json.dumps(held | {"born": "long ago"}).encode()))
    with locked(folder, RemoteLockFile(folder)):
        assert json.loads(read_bytes(folder / ".lock"))["born"] != "long ago"


def test_of_two_locks_put_at_once_one_stays(s3):
    files_ = [RemoteLockFile(as_path(f"{BUCKET}/raced")) for _ in range(2)]
    files_[0]._fs.pipe_file(files_[0]._name, b"first", mode="create")
    assert [file.create(b"second") for file in files_] == [False, False]
    content, age = files_[1].read()
    assert content == b"first"
    assert -2 <= age < 30


@pytest.mark.parametrize("size", [100, 2 * BUFFER_BYTES + 5])
def test_an_interrupted_upload_leaves_nothing(s3, size):
    path = as_path(f"{BUCKET}/half/a.bin")
    atomic_write(path, lambda file: file.write(b"old"))
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as file:
        file.write(bytes(size))
        raise KeyboardInterrupt
    del file
    assert read_bytes(path) == b"old"
    assert not uploads()


def test_a_large_file_is_sent_in_parts(s3):
    path, content = as_path(f"{BUCKET}/large.bin"), os.urandom(1000) * (2 * BUFFER_BYTES // 1000 + 50)
    asked = len(s3.requests)
    with atomic_file(path) as file:
        for at in range(0, len(content), 1 << 20):
            file.write(content[at : at + (1 << 20)])
        assert not path.exists()
    assert sum("partNumber" in r.query for r in s3.requests[asked:]) >= 2
    assert read_bytes(path) == content
    big = RemoteFile(path)
    asked = len(s3.requests)
    big.seek(BUFFER_BYTES)
    assert big.read(5000) == content[BUFFER_BYTES : BUFFER_BYTES + 5000]
    assert [big.seek(BUFFER_BYTES + 10), big.read(10)][1] == content[BUFFER_BYTES + 10 : BUFFER_BYTES + 20]
    (request,) = s3.requests[asked:]
    assert request.bytes < len(content) / 8


def test_parts_left_by_a_killed_process_are_given_up_by_the_next_run(s3):
    fs = as_path(BUCKET).fs
    for key in ("left/shards/a.tar", "other/a.tar"):
        fs.call_s3("create_multipart_upload", Bucket="bucket", Key=key)
    end_uploads(as_path(f"{BUCKET}/left/shards"))
    assert [upload["Key"] for upload in uploads()] == ["other/a.tar"]
    end_uploads(as_path(f"{BUCKET}/other"))


@pytest.mark.slow
def test_a_store_that_stumbles_is_asked_again_and_one_that_stays_down_is_named(s3, monkeypatch):
    path = as_path(f"{BUCKET}/note.txt")
    atomic_write(path, lambda file: file.write(b"x"))
    s3.failures = 3
    assert read_bytes(path) == b"x"
    s3.failures = 10_000
    monkeypatch.setitem(store._S3_OPTIONS["config_kwargs"]["retries"], "total_max_attempts", 2)
    path = as_path(str(path))
    try:
        with pytest.raises(StoreError, match=r"s3://bucket/note.txt: the store does not answer .* attempts"):
            read_bytes(path)
    finally:
        s3.failures = 0


@pytest.mark.slow
def test_what_is_wrong_with_a_url_is_one_line(s3, curate, tiny_root, monkeypatch):
    with pytest.raises(InputError, match="there is no bucket nowhere; make it first"):
        check_bucket(as_path("s3://nowhere/out"))
    with pytest.raises(InputError, match="no such kind of store"):
        as_path("s4://bucket/out")
    made = curate("egoclip", "--ego4d-root", tiny_root, "--out", "s3://nowhere/out")
    assert (made.returncode, made.stderr.count("\n")) == (2, 1), made.stderr
    made = curate("verify", "s3://nowhere/out")
    assert (made.returncode, made.stderr.count("\n")) == (2, 1), made.stderr
    made = curate("windows", "--ego4d-root", f"{BUCKET}/no-such-root")
    assert made.stderr == (
        "curate: s3://bucket/no-such-root: no such folder; give the output folder of the ego4d client\n"
    )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    made = curate("egoclip", "--ego4d-root", tiny_root, "--out", f"{BUCKET}/out2")
    assert made.returncode == 3
    assert made.stderr.startswith("curate: s3://bucket/out2: no credentials; set AWS_ACCESS_KEY_ID")


def test_a_client_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "gs", raising=False)
    with pytest.raises(InputError, match=r"pip install 'egocurate\[gcs\]'"):
        as_path("gs://bucket/out")


def test_urls_of_this_machine_and_of_memory(tmp_path):
    assert as_path(f"file://{tmp_path}/a") == tmp_path / "a"
    assert as_path("plain/name") == Path("plain/name")
    assert str(as_path(Path("s3://bucket/a/b"))) == "s3://bucket/a/b"
    path = as_path("memory://folder/a.bin")
    atomic_write(path, lambda file: file.write(b"one"))
    with pytest.raises(RuntimeError), atomic_file(path) as file:
        file.write(b"two, half")
        raise RuntimeError
    assert read_bytes(path) == b"one"
