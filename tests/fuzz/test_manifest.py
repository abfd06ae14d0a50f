"""A broken manifest.json is one line, or the folder is what that manifest says; what reads or mends it writes there."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from egocurate.errors import InputError
from egocurate.shards.check.repair import repair, settings_of
from egocurate.shards.check.verify import verify
from egocurate.shards.manifest import read_manifest
from egocurate.shards.read.index import ShardIndex
from tests.fuzz.broken import broken_json_text
from tests.fuzz.harness import Target
from tests.fuzz.shard_folder import contents, write_folder

MANIFEST = "manifest.json"
SETTINGS = ("name", "num_verbs", "num_nouns", "lexicon")


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(job, tmp_path):
    return shutil.copytree(job.out, tmp_path / "shards")


def manifest_of(folder):
    return json.loads((folder / MANIFEST).read_text())


def said(data):
    """What a manifest says by the standard library."""
    return json.loads(data.decode("utf-8", "surrogatepass"))


def test_opening(folder, clean):
    whole = manifest_of(folder)
    kept = contents(folder)

    def read(data):
        (folder / MANIFEST).write_bytes(data)
        index = ShardIndex.open(folder)
        shards = [(shard.path.name, shard.sha256, shard.bytes) for shard in index.reader.shards]
        sizes = (len(index), index.members, index.num_verbs, index.num_nouns, index.lexicon)
        return sizes, shards, len(index.fingerprint), [len(one) for one in index.earlier_fingerprints]

    def right(data, result):
        sizes, shards, digest, earlier = result
        manifest = said(data)
        expected = (manifest["samples"], manifest["profile"].get("members", "mp4"))
        expected += (manifest["num_verbs"], manifest["num_nouns"], manifest.get("lexicon", ""))
        entries = [(entry["file"], entry["sha256"], entry["bytes"]) for entry in manifest["shards"]]
        assert {**contents(folder), MANIFEST: b""} == {**kept, MANIFEST: b""}, "a reader writes"
        return (sizes, shards, digest) == (expected, entries, 64) and set(earlier) <= {64}

    clean(Target("manifest.json, opened", [whole], broken_json_text, read, right), 300)


def test_settings(folder, clean):
    whole = manifest_of(folder)

    def read(data):
        (folder / MANIFEST).write_bytes(data)
        read_manifest(folder)
        return settings_of(folder)

    def right(data, result):
        manifest = said(data)
        expected = {name: manifest.get(name, "") for name in SETTINGS}
        expected |= {
            "profile": manifest["profile"]["name"],
            "clips_per_shard": int(manifest["planned"]["clips per shard"]),
        }
        return result == expected

    clean(Target("manifest.json, settings", [whole], broken_json_text, read, right), 300)


def test_verify(folder, clean):
    whole = manifest_of(folder)

    def read(data):
        (folder / MANIFEST).write_bytes(data)
        return verify(folder, decode=1)

    def right(data, problems):
        # What the tars and the index do not say (sizes of a plan, settings of a profile) nothing can be compared with.
        shards = [{name: entry[name] for name in whole["shards"][0]} for entry in said(data)["shards"]]
        return all("\n" not in str(one) for one in problems) and (bool(problems) or shards == whole["shards"])

    clean(Target("manifest.json, verify", [whole], broken_json_text, read, right), 150)


def test_repair(job, tmp_path: Path, clean):
    """A repair brings the folder back to its bytes, or says why not; nothing beside the folder changes."""
    kept, beside = contents(job.out), contents(job.out.parent)
    out = tmp_path / "a" / "shards"
    victim = tmp_path / "victim"
    victim.write_text("mine")

    def read(data):
        shutil.rmtree(tmp_path / "a", ignore_errors=True)
        shutil.copytree(job.out, out)
        (out / MANIFEST).write_bytes(data)
        try:
            return repair(replace(job, out=out))
        finally:
            assert victim.read_text() == "mine" and contents(job.out.parent) == beside
            assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "victim"]
            assert [path.name for path in out.parent.iterdir()] == ["shards"]

    def right(data, repaired):
        now = {name: content for name, content in contents(out).items() if not name.startswith(".")}
        if repaired.summary is None:  # nothing was broken that the folder can tell
            return verify(out, decode=0) == []
        return now == kept

    clean(Target("manifest.json, repaired", [json.loads(kept[MANIFEST])], broken_json_text, read, right), 40)


def test_a_manifest_that_is_no_file(folder):
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).mkdir()
    with pytest.raises(InputError):
        ShardIndex.open(folder)
