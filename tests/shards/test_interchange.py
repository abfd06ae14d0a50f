"""Shards are read by webdataset and by Energon as they are."""

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest
import webdataset

from egocurate.shards.profiles import PROFILES, profile
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.write.job import ShardJob, VideoFile
from egocurate.shards.write.write_shards import write_shards

UIDS = {"kitchen.1": "cook", "P01/P01_01.v2": "dig", "küche #2 %20": "cook"}
TEXTS = ['#C C says "é\t…"\n', "#C C öffnet die Tür 🚪", "plain. text / with\\slashes"]


@pytest.fixture(scope="module", params=[name for name in ("train", "fast") if name in PROFILES])
def index(request, tmp_path_factory, small_videos, make_clips) -> ShardIndex:
    """Shards of videos and texts with awkward names, one of them empty because its video does not open."""
    rows = [(uid, start, start + 0.8) for uid in UIDS for start in (0.0, 0.5, 2.0)] + [
        ("broken", 1.0, 2.0),
        ("broken", 1.2, 2.0),
    ]
    clips = make_clips(rows)
    texts = pa.array([TEXTS[i % len(TEXTS)] for i in range(len(rows))])
    for name in ("clip_text", "text"):
        clips = clips.set_column(clips.column_names.index(name), name, texts)
    videos = {uid: VideoFile(small_videos[name]) for uid, name in UIDS.items()}
    out = tmp_path_factory.mktemp("interchange") / "shards"
    broken = out.with_name("broken.mp4")
    broken.write_bytes(b"no video")
    videos["broken"] = VideoFile(broken)
    write_shards(ShardJob(clips, videos, out, profile(request.param), clips_per_shard=2, num_verbs=3, num_nouns=5))
    return ShardIndex.open(out)


def tars(index: ShardIndex) -> list[Path]:
    return [index.folder / entry["file"] for entry in index.manifest["shards"]]


def stored(index: ShardIndex) -> dict[str, dict[str, bytes]]:
    """Return key -> member's name behind the key -> bytes, as the index says."""
    found = {}
    for i in range(len(index)):
        names = [name.removeprefix(f"{index.key(i)}.") for name in index.member_names(i)]
        found[index.key(i)] = dict(zip(names, index.read_members(i, range(len(names))), strict=True))
    return found


def test_the_shards_are_as_awkward_as_meant(index: ShardIndex):
    assert len(index) == 9 and {index.row(i).clip_text for i in range(9)} == set(TEXTS)
    assert {index.row(i).video_uid for i in range(9)} == set(UIDS)
    assert 0 in [entry["samples"] for entry in index.manifest["shards"]]


def test_webdataset_reads_them(index: ShardIndex):
    expected = stored(index)
    urls = [str(path) for path in tars(index)]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode())
    assert [sample["__key__"] for sample in samples] == list(expected)
    for sample in samples:
        members = {name: value for name, value in sample.items() if not name.startswith("__")}
        assert members.keys() == expected[sample["__key__"]].keys()
        for name, value in members.items():
            data = expected[sample["__key__"]][name]
            assert value == (json.loads(data) if name == "json" else data)
        assert sample["json"]["clip_text"] in TEXTS


def test_tarfile_reads_them(index: ShardIndex):
    expected = {f"{key}.{name}": data for key, members in stored(index).items() for name, data in members.items()}
    found = {}
    for path in tars(index):
        with tarfile.open(path, "r:") as tar:
            found |= {member.name: tar.extractfile(member).read() for member in tar}
    assert found == expected


@pytest.mark.slow
def test_energon_prepares_and_reads_them(index: ShardIndex, tmp_path: Path):
    folder = shutil.copytree(index.folder, tmp_path / "shards")
    # The command that docs/interchange.md gives; Energon refuses a shard without samples unless it is named.
    empty = "|".join(entry["file"] for entry in index.manifest["shards"] if not entry["samples"])
    prepare = ["prepare", "--non-interactive", "--split-ratio", "1,0,0", "--sample-type", "CrudeWebdataset"]
    prepare += ["--exclude", empty, "--num-workers", "1"]
    energon = [sys.executable, "-m", "megatron.energon.cli.main", *prepare, str(folder)]
    done = subprocess.run(energon, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    reader = [sys.executable, str(Path(__file__).with_name("energon_reader.py")), str(folder)]
    done = subprocess.run(reader, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    samples = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    crc32 = {index.key(i): dict(zip(index.member_names(i), index.crc32(i), strict=True)) for i in range(len(index))}
    assert sorted(sample["key"] for sample in samples) == sorted(crc32)
    for sample in samples:
        key, video = sample["key"], sample["crc32"]
        assert video == {n.removeprefix(f"{key}."): c for n, c in crc32[key].items() if not n.endswith(".json")}
        assert sample["json"] == json.loads(index.read_json(index.find(key)))
    # What Energon adds does not make the folder another one.
    assert len(ShardIndex.open(folder)) == len(index)
