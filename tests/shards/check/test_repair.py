from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.errors import InputError
from egocurate.shards.check import verify as verify_module
from egocurate.shards.check.repair import STAGE, repair, settings_of
from egocurate.shards.check.verify import verify
from egocurate.shards.profiles import profile
from egocurate.shards.write.job import VideoFile
from egocurate.shards.write.shard_folder import ShardFolder
from egocurate.shards.write.write_shards import write_shards
from tests.shards.forge import forge_manifest


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory, small_videos, make_clips):
    from egocurate.shards.write.job import ShardJob

    rows = [("cook", 0.6 * n, 0.6 * n + 1) for n in range(15)] + [("dig", 90.0, 91.0), ("lost", 1.0, 2.0)]
    videos = {uid: VideoFile(path) for uid, path in small_videos.items()} | {"lost": VideoFile(None)}
    out = tmp_path_factory.mktemp("made") / "shards"
    job = ShardJob(make_clips(rows), videos, out, profile("train"), clips_per_shard=4, num_verbs=3, num_nouns=5)
    write_shards(job)
    return job, contents(out)


@pytest.fixture
def copy(made, tmp_path):
    """A folder of one's own to spoil, its job, and the bytes it should have."""
    job, files = made
    job = replace(job, out=tmp_path / "shards")
    job.out.mkdir()
    for name, data in files.items():
        (job.out / name).write_bytes(data)
    return job, files


def tars(folder):
    return sorted(folder.glob("*.tar"))


def stamps(folder):
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def in_a_video(job):
    """Where in the second tar the middle of its first video stands."""
    row = next(row for row in pq.read_table(job.out / "index.parquet").to_pylist() if row["shard"] == 1)
    return row["offsets"][1] + row["sizes"][1] // 2


def test_a_sound_folder_is_left_alone(copy):
    job, files = copy
    before = stamps(job.out)
    mended = repair(job)
    assert (mended.shards, mended.tables, mended.summary) == ([], False, None)
    assert stamps(job.out) == before and contents(job.out) == files


@pytest.mark.parametrize(
    "spoil",
    [
        lambda job, tar: tar.unlink(),
        lambda job, tar: tar.write_bytes(tar.read_bytes()[:-700]),
        lambda job, tar: tar.write_bytes(b""),
        lambda job, tar: flip(tar, in_a_video(job)),
        lambda job, tar: flip(tar, 3),
        lambda job, tar: flip(tar, tar.stat().st_size - 1),
    ],
    ids=["missing", "cut", "empty", "flipped in a video", "flipped in a name", "flipped at the end"],
)
def test_a_broken_tar_is_cut_again_and_the_others_are_not_touched(copy, spoil):
    job, files = copy
    spoil(job, tars(job.out)[1])
    before = stamps(job.out)
    assert verify(job.out, decode=0)
    mended = repair(job)
    assert mended.shards == ["egoclip-000001.tar"]
    assert contents(job.out) == files
    after = stamps(job.out)
    same = [name for name in files if name.endswith(".tar") and name != "egoclip-000001.tar"]
    assert len(same) >= 4 and all(after[name] == before[name] for name in same)


def test_a_tar_that_is_gone_is_seen_before_any_is_read(copy):
    job, files = copy
    tars(job.out)[1].unlink()
    stages = []
    repair(job, lambda stage, done, of: stages.append(str(stage)))
    assert contents(job.out) == files and "verifying shards" not in stages


def test_one_problem_is_enough_to_repair(copy, monkeypatch):
    job, files = copy
    for tar in tars(job.out):
        flip(tar, 3)
    looked = []

    def check_shard(index, entry, samples, check=verify_module._check_shard):
        looked.append(entry["file"])
        return check(index, entry, samples)

    monkeypatch.setattr(verify_module, "_check_shard", check_shard)
    assert len(verify(job.out, decode=0)) >= len(looked) > 2
    looked.clear()
    repair(job)
    assert contents(job.out) == files and len(looked) == 1


@pytest.mark.parametrize("lost", [["index.parquet"], ["manifest.json"], ["index.parquet", "manifest.json"]])
@pytest.mark.parametrize("how", ["gone", "garbage"])
def test_tables_are_made_anew_from_whole_tars_without_the_videos(copy, lost, how):
    job, files = copy
    for name in lost:
        if how == "gone":
            (job.out / name).unlink()
        else:
            (job.out / name).write_bytes(b"{ not this")
    before = {name: stamp for name, stamp in stamps(job.out).items() if name.endswith(".tar")}
    mended = repair(job)
    assert (mended.shards, mended.tables) == ([], True)
    assert contents(job.out) == files
    assert {name: stamp for name, stamp in stamps(job.out).items() if name.endswith(".tar")} == before


@pytest.mark.parametrize(
    ("name", "knows_digest"),
    [(name, True) for name in ("text", "tag_verb", "negatives", "neighbourhood", "fps")]
    + [(name, False) for name in ("text", "tag_verb", "clip_start")],
)
def test_an_index_that_was_changed_is_made_anew_from_the_tars(copy, name, knows_digest):
    """By its digest or, in folders of the first releases, by the clips, as far as they say what the index says."""
    job, files = copy
    table = pq.read_table(job.out / "index.parquet")
    values = table[name].to_pylist()
    changed = [values[1] if values[1] != values[0] else values[-1], *values[1:]]
    if name == "negatives":
        changed = [[0], *values[1:]]
    column = pa.array(changed, table.schema.field(name).type)
    pq.write_table(table.set_column(table.schema.get_field_index(name), name, column), job.out / "index.parquet")
    if not knows_digest:
        forge_manifest(job.out, lambda manifest: manifest.pop("index"))
    before = {name: stamp for name, stamp in stamps(job.out).items() if name.endswith(".tar")}
    assert (repair(job).shards, contents(job.out)) == ([], files)
    assert {name: stamp for name, stamp in stamps(job.out).items() if name.endswith(".tar")} == before


@pytest.mark.parametrize("number", [0, 2, -1])
def test_a_shard_that_was_dropped_from_the_manifest_is_one_line_and_comes_back(copy, number):
    job, files = copy
    forge_manifest(job.out, lambda manifest: manifest["shards"].pop(number))
    with pytest.raises(InputError, match=r"manifest\.json is not a manifest \((shard|samples)") as raised:
        verify(job.out)
    assert "\n" not in str(raised.value)
    assert repair(job).shards == [] and contents(job.out) == files


class Stopped(BaseException):
    """What a signal is to a run."""


@pytest.mark.parametrize("spoiled", ["egoclip-000001.tar", "index.parquet", "manifest.json"])
def test_a_repair_that_is_stopped_while_it_reads_leaves_no_notes(copy, spoiled):
    job, files = copy
    (job.out / spoiled).write_bytes((job.out / spoiled).read_bytes()[:-700])
    before = contents(job.out)

    def stop(stage, done, total):
        if stage == STAGE and done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        repair(job, stop)
    assert contents(job.out) == before
    repair(job)
    assert contents(job.out) == files


def test_notes_that_a_killed_run_left_when_all_was_done_are_removed(copy, monkeypatch):
    job, files = copy
    tars(job.out)[1].unlink()
    with monkeypatch.context() as patch:
        patch.setattr(ShardFolder, "close", lambda self: (_ for _ in ()).throw(Stopped))
        with pytest.raises(Stopped):
            repair(job)
    assert (job.out / ".unfinished").exists()
    assert repair(job).tables is False and contents(job.out) == files


def test_an_index_whose_rows_do_not_fit_is_made_anew(copy):
    job, files = copy
    table = pq.read_table(job.out / "index.parquet")
    pq.write_table(table.slice(1), job.out / "index.parquet")
    assert repair(job).shards == [] and contents(job.out) == files


def test_a_lost_list_of_failures_is_found_again_by_cutting_those_shards(copy):
    job, files = copy
    (job.out / "failed.parquet").unlink()
    assert repair(job).shards == ["egoclip-000005.tar"]
    assert contents(job.out) == files


@pytest.mark.parametrize("lost", [["manifest.json"], ["manifest.json", "index.parquet"]])
def test_a_flipped_byte_is_found_without_a_manifest_too(copy, lost):
    job, files = copy
    flip(tars(job.out)[1], in_a_video(job))
    if "index.parquet" in lost:
        flip(tars(job.out)[2], 600)  # in the text, which the plan knows
    for name in lost:
        (job.out / name).unlink()
    mended = repair(job)
    assert "egoclip-000002.tar" in mended.shards or lost == ["manifest.json"]
    if lost == ["manifest.json"]:
        assert mended.shards == ["egoclip-000001.tar"] and contents(job.out) == files


def test_another_job_is_refused_before_anything_is_touched(copy):
    job, _ = copy
    tars(job.out)[1].unlink()
    before = stamps(job.out)
    with pytest.raises(InputError, match=r"what differs: .*clips per shard"):
        repair(replace(job, clips_per_shard=2))
    assert stamps(job.out) == before
    (job.out / "manifest.json").unlink()
    before = stamps(job.out)
    with pytest.raises(InputError, match=r"clips per shard \(4 there, 100 now\)"):
        repair(replace(job, clips_per_shard=100))
    (job.out / "index.parquet").unlink()
    before = stamps(job.out)
    with pytest.raises(InputError, match="none of its tars"):
        repair(replace(job, clips_per_shard=100))
    assert stamps(job.out) == before


def test_the_folder_says_what_it_was_cut_with(copy):
    job, _ = copy
    expected = {"name": "egoclip", "num_verbs": 3, "num_nouns": 5, "lexicon": ""}
    expected |= {"profile": "train", "clips_per_shard": 4}
    assert settings_of(job.out) == expected
    (job.out / "manifest.json").write_text("{")
    assert settings_of(job.out) is None
    (job.out / "manifest.json").write_text('{"format": "other/9"}')
    with pytest.raises(InputError, match="other/9"):
        settings_of(job.out)
