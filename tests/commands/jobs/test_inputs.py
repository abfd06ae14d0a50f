"""Which inputs decide tables: what files hold counts, not where they lie, and every one of them."""

import json
import shutil

import av
import pyarrow.parquet as pq
import pytest

from egocurate.curation.text.taxonomy import NOUN_FILE, VERB_FILE

ANNOTATIONS = "v2/annotations"


def refused(done, *words):
    assert done.status == 2, done.out
    assert done.err.startswith("curate: ") and done.err.count("\n") == 1, done.err
    for word in words:
        assert word in done.err


def lexicon_of(root, folder, more=""):
    """Copy the root's lexicon to `folder`, with a word more in its first group of verbs."""
    folder.mkdir(parents=True)
    for name in (VERB_FILE, NOUN_FILE):
        shutil.copy(root / ANNOTATIONS / name, folder / name)
    if more:
        path = folder / VERB_FILE
        header, first, *rest = path.read_text().splitlines()
        path.write_text("\n".join([header, first.replace("]", f", '{more}']"), *rest]) + "\n")
    return folder


@pytest.mark.parametrize("verb", ["egoclip", pytest.param("egomcq", marks=pytest.mark.slow)])
def test_a_lexicon_is_what_it_holds(run, tiny_root, tmp_path, verb):
    lexicon = lexicon_of(tiny_root, tmp_path / "lexicon")
    line = (verb, "--root", tiny_root, "--out", tmp_path / "O", "--tables-only", "--json")
    assert run(*line, "--lexicon", lexicon).status == 0
    moved = shutil.move(lexicon, tmp_path / "moved")
    assert run(*line, "--lexicon", moved).summary["tables"] == "already there, unchanged"
    assert run(*line).summary["tables"] == "already there, unchanged"  # the root's own holds the same
    edited = lexicon_of(tiny_root, tmp_path / "edited", more="fling")
    refused(run(*line, "--lexicon", edited), f"holds a run of `curate {verb}` with other inputs: lexicon changed")


def test_tags_from_another_table_are_another_input(run, tiny_root, tmp_path):
    line = ("egoclip", "--root", tiny_root, "--tables-only", "--json")
    assert run(*line, "--out", tmp_path / "A").status == 0
    assert run(*line, "--out", tmp_path / "B", "--window", "midpoints").status == 0
    out = ("--out", tmp_path / "O")
    assert run(*line, *out, "--tags-from", tmp_path / "A").status == 0
    table = (tmp_path / "O" / "egoclip.parquet").read_bytes()
    assert table == (tmp_path / "A" / "egoclip.parquet").read_bytes()  # in bytes too: the tags are the same
    shutil.copytree(tmp_path / "A", tmp_path / "copy")
    again = run(*line, *out, "--tags-from", tmp_path / "copy")
    assert again.summary["tables"] == "already there, unchanged"
    refused(run(*line, *out, "--tags-from", tmp_path / "B"), "tags_from changed")
    refused(run(*line, *out), "tags_from is not there now")


def without_some(table, path, drop):
    """Write an EgoClip table without the clips of one of its videos."""
    path.mkdir()
    clips = pq.read_table(table)
    gone = sorted(set(clips["video_uid"].to_pylist()))[drop]
    kept = [uid != gone for uid in clips["video_uid"].to_pylist()]
    pq.write_table(clips.filter(kept), path / "egoclip.parquet")
    return path


def test_another_egoclip_of_as_many_videos_is_another_input(run, tiny_root, tmp_path):
    assert run("egoclip", "--root", tiny_root, "--out", tmp_path / "all", "--tables-only").status == 0
    one, other = (without_some(tmp_path / "all" / "egoclip.parquet", tmp_path / f"B{n}", n) for n in (0, 1))
    line = ("egomcq", "--root", tiny_root, "--out", tmp_path / "O", "--inter", 5, "--intra", 2, "--tables-only")
    line = (*line, "--videos", "all", "--json")
    assert run(*line, "--egoclip", one).status == 0
    moved = shutil.move(one, tmp_path / "moved")
    assert run(*line, "--egoclip", moved).summary["tables"] == "already there, unchanged"
    refused(run(*line, "--egoclip", other), "egoclip changed")
    refused(run(*line), "egoclip is not there now")


def test_lengths_that_come_from_the_files_are_inputs(run, tiny_root, tmp_path):
    """A video that comes later tells its length, and so adds its clips; one that is replaced changes them."""
    videos = sorted((tiny_root / "v2" / "full_scale").glob("*.mp4"))[:2]
    table = tmp_path / "narrations.csv"
    rows = [f"{video},{1 + 2 * i},cuts an onion" for video in videos for i in range(4)]
    table.write_text("\n".join(["video,time,text", *rows]).replace(str(videos[1]), "later.mp4") + "\n")
    line = ("egoclip", "--source", "table", "--root", table, "--out", tmp_path / "O", "--tables-only", "--json")
    assert run(*line).summary["rejected"]["no_video"] == 4
    shutil.copy(videos[1], tmp_path / "later.mp4")
    assert run(*line).summary["new_clips"] == 4
    assert run(*line).summary["tables"] == "already there, unchanged"
    with av.open(tmp_path / "later.mp4", "w") as short:
        stream = short.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(20):
            short.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        short.mux(stream.encode(None))
    refused(run(*line), "videos changed", "would be others now")


def test_shards_are_of_what_the_table_and_its_lexicon_hold(run, tiny_root, tmp_path):
    table = tmp_path / "A"
    assert run("egoclip", "--root", tiny_root, "--out", table, "--tables-only").status == 0
    line = ("shards", "--root", tiny_root, "--out", tmp_path / "S", "--json")
    assert run(*line, "--egoclip", table).status == 0
    record = json.loads((tmp_path / "S" / "shards.run.json").read_text())
    assert record["inputs"].keys() == {"egoclip", "lexicon", "stereo"}
    renamed = tmp_path / "clips" / "mine.parquet"
    shutil.copytree(table, renamed.parent)
    (renamed.parent / "egoclip.parquet").rename(renamed)
    assert run(*line, "--egoclip", renamed).summary["shards_state"] == "already there, unchanged"
    shutil.rmtree(table / "lexicon")
    lexicon_of(tiny_root, table / "lexicon")
    path = table / "lexicon" / NOUN_FILE
    path.write_text(path.read_text() + "zebra,\"['zebra']\"\n")
    refused(run(*line, "--egoclip", table), "lexicon changed")


def test_segments_of_a_video_that_turns_out_stereo_are_others(run, root, tmp_path):
    line = ("segments", "--root", root, "--out", tmp_path / "S", "--seconds", 5, "--stride", 5, "--json")
    assert run(*line).status == 0
    assert run(*line).summary["shards_state"] == "already there, unchanged"
    path = root / "ego4d.json"
    metadata = json.loads(path.read_text())
    metadata["videos"][0]["is_stereo"] = True
    path.write_text(json.dumps(metadata))
    refused(run(*line), "stereo changed")
