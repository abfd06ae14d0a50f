"""A manifest and an index are data: they name files of their folder alone, and what they count adds up."""

import json
import os
import shutil

import pyarrow as pa
import pytest

import egocurate
from egocurate.errors import InputError
from egocurate.shards.check.verify import verify
from egocurate.shards.manifest import read_manifest
from egocurate.shards.read import open_index
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.write.write_shards import write_shards
from tests.shards.forge import forge_index, forge_manifest, with_column


@pytest.fixture(scope="module")
def written(make_job, tmp_path_factory):
    job = make_job(tmp_path_factory.mktemp("written"))
    write_shards(job)
    return job.out


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written, tmp_path / "shards")


def refused(folder, words):
    with pytest.raises(InputError, match=words) as raised:
        ShardIndex.open(folder)
    assert "\n" not in str(raised.value)


def entry(name, value):
    return lambda manifest: manifest["shards"][0].__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (entry("file", "/etc/passwd"), "shard 0 is called '/etc/passwd'"),
        (entry("file", "../../victim"), "shard 0 is called"),
        (entry("file", "/dev/zero"), "shard 0 is called"),
        (entry("sha256", "../../victim/thesis"), "sha256 of .* is '../../victim/thesis', no digest"),
        (entry("sha256", "A" * 64), "no digest"),
        (entry("sha256", 7), "no digest"),
        (entry("bytes", -1), "no count"),
        (entry("bytes", 1.5), "no count"),
        (entry("bytes", True), "no count"),
        (entry("samples", "7"), "no count"),
        (entry("samples", 10**30), "its shards have"),
        (lambda manifest: manifest.update(name="../x"), "no plain name"),
        (lambda manifest: manifest.update(name=".."), "no plain name"),
        (lambda manifest: manifest.update(name="a/b"), "no plain name"),
        (lambda manifest: manifest.update(name=["x"]), "no plain name"),
        (lambda manifest: manifest.update(num_verbs=-3), "num_verbs is -3"),
        (lambda manifest: manifest.update(samples=None), "samples is None"),
        (lambda manifest: manifest.update(plan="x"), "plan is 'x'"),
        (lambda manifest: manifest.update(lexicon=5), "lexicon is no text"),
        (lambda manifest: manifest.update(index={"bytes": 5}), "lacks 'sha256'"),
        (lambda manifest: manifest.update(index=[]), "not a manifest"),
        (lambda manifest: manifest.update(shards={}), "shards are no list"),
        (lambda manifest: manifest.update(profile="mp4"), "profile is none"),
        (lambda manifest: manifest["planned"].update({"clips per shard": "x"}), "clips per shard are 'x', no count"),
        (lambda manifest: manifest.update(parts={}), "parts are no list"),
        (lambda manifest: manifest["parts"].append(5), "a part has not what parts have"),
        (lambda manifest: manifest["parts"][0].update(videos={"a": "1"}), "a part has videos or a plan that are none"),
        (lambda manifest: manifest["parts"][0].update(again={"a": 1}), "a part tries clips again that are none"),
        (lambda manifest: manifest["parts"][0].update(shards=True), "a part has counts that are none"),
        (lambda manifest: manifest["parts"][0].update(shards=1), "its parts have 1 shards"),
        (lambda manifest: manifest.update(shards=[1]), "not a manifest"),
        (lambda manifest: manifest["profile"].update(members="exe"), "'exe' are not one of mp4, webm, jpg, webp"),
        (lambda manifest: manifest.pop("samples"), "lacks 'samples'"),
        (lambda manifest: manifest["shards"].pop(), "its shards have"),
        (lambda manifest: manifest.update(format="egocurate-shards/9"), "this version reads"),
    ],
)
def test_a_manifest_that_cannot_be_is_one_line(folder, change, words):
    forge_manifest(folder, change)
    refused(folder, words)


@pytest.mark.parametrize("text", ["", "[]", "null", "7", "{", '{"format": 1}', "[" * 100_000, '"x"'])
def test_what_is_no_manifest_is_one_line(folder, text):
    (folder / "manifest.json").write_text(text)
    refused(folder, "manifest")


def test_every_flipped_bit_of_an_index_is_noticed(folder):
    path = folder / "index.parquet"
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 200)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        refused(folder, "index.parquet is not what was written: run `curate verify --repair`")
    (problem,) = verify(folder)
    assert problem.shard == "index.parquet"
    path.write_bytes(whole)
    assert verify(folder) == []


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("shard", lambda values: [9, *values[1:]], "shard"),
        ("shard", lambda values: values[::-1], "shard"),
        ("offsets", lambda values: [[-5, *values[0][1:]], *values[1:]], "negative"),
        ("offsets", lambda values: [[1 << 40, *values[0][1:]], *values[1:]], "beyond a shard"),
        ("sizes", lambda values: [[1 << 62, *values[0][1:]], *values[1:]], "beyond a shard"),
        ("sizes", lambda values: [values[0][:1], *values[1:]], "has not the members"),
        ("crc32", lambda values: [[], *values[1:]], "has not the members"),
        ("negatives", lambda values: [[len(values)], *values[1:]], "negatives has a number"),
        ("negatives", lambda values: [[-1], *values[1:]], "negatives has a number"),
        ("tag_verb", lambda values: [[9999], *values[1:]], "tag_verb has a number"),
        ("tag_noun", lambda values: [[-2], *values[1:]], "tag_noun has a number"),
        ("frame_count", lambda values: [0, *values[1:]], "not positive"),
        ("fps", lambda values: [float("nan"), *values[1:]], "not positive"),
    ],
)
def test_an_index_that_does_not_fit_is_one_line(folder, name, change, words):
    forge_index(folder, with_column(name, change))
    refused(folder, f"index.parquet does not fit its manifest, .*{words}")


@pytest.mark.parametrize("name", ["tag_verb", "negatives", "clip_text", "clip_start", "video_uid"])
def test_an_index_without_a_value_in_some_row_is_one_line(folder, name):
    forge_index(folder, with_column(name, lambda values: [None, *values[1:]]))
    refused(folder, f"column {name} has a row without a value")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("shard", pa.string()), ("fps", pa.int64()), ("clip_text", pa.binary()), ("clip_end", pa.bool_())],
)
def test_an_index_of_another_type_is_one_line(folder, name, kind):
    def change(table):
        place = table.schema.get_field_index(name)
        return table.set_column(place, name, table[name].cast(kind, safe=False))

    forge_index(folder, change)
    refused(folder, f"column {name} is of type {kind}")


def test_a_sample_more_than_the_manifest_says(folder):
    forge_index(folder, lambda table: table.slice(1))
    refused(folder, "samples, the manifest")


@pytest.mark.parametrize("name", ["clip_text", "text", "clip_start", "narration_ind", "clip_idx"])
def test_verify_compares_the_index_with_the_clips(folder, name):
    index = ShardIndex.open(folder)
    values = [getattr(index.row(n), name) for n in range(len(index))]
    other = next(n for n, value in enumerate(values) if value != values[0])
    forge_index(folder, with_column(name, lambda column: [column[other], *column[1:]]))
    (problem,) = verify(folder)
    assert (problem.key, problem.what) == (index.key(0), f"the index has another {name} than its json member")


def test_verify_names_tars_that_belong_to_nobody(folder):
    shutil.copy(next(folder.glob("*.tar")), folder / "stray.tar")
    (problem,) = verify(folder)
    assert (problem.shard, problem.what) == ("stray.tar", "is not in the manifest: move it elsewhere")


def test_a_strangers_index_never_stands_for_ours(written, tmp_path, monkeypatch):
    monkeypatch.setattr(open_index, "MAPPED_FROM", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ours, theirs = shutil.copytree(written, tmp_path / "ours"), shutil.copytree(written, tmp_path / "theirs")
    forge_index(theirs, with_column("text", lambda values: ["a lie"] * len(values)))
    lie = (theirs / "index.parquet").read_bytes()
    assert ShardIndex.open(theirs).row(0).text == "a lie"
    assert ShardIndex.open(ours).row(0).text != "a lie"
    # With our manifest, too: before our index was ever opened, and after.
    for cache in ("fresh", "cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
        shutil.copy(ours / "manifest.json", theirs / "manifest.json")
        (theirs / "index.parquet").write_bytes(lie)
        if cache == "fresh":
            refused(theirs, "is not what was written")
        assert ShardIndex.open(ours).row(0).text != "a lie"


def test_an_index_without_a_digest_can_be_read(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    forge_manifest(folder, lambda manifest: manifest.pop("index"))
    before = [ShardIndex.open(folder).row(n).text for n in range(3)]
    monkeypatch.setattr(open_index, "MAPPED_FROM", 1)
    assert [ShardIndex.open(folder).row(n).text for n in range(3)] == before


def test_nothing_outside_is_touched(folder, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("thesis")
    os.mkfifo(tmp_path / "fifo")
    for change in (entry("file", str(tmp_path / "fifo")), entry("sha256", str(victim)), entry("file", str(victim))):
        forged = shutil.copytree(folder, tmp_path / "forged")
        forge_manifest(forged, change)
        for use in (verify, read_manifest, lambda where: egocurate.stream(where, batch_size=4)):
            with pytest.raises(InputError):
                use(forged)
        shutil.rmtree(forged)
    assert victim.read_text() == "thesis"
    assert json.loads((folder / "manifest.json").read_text())["format"]
