"""EgoClip and EgoMCQ side by side: one lexicon, one alpha, and files that are all there."""

import json
import shutil
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from egocurate.curation.egomcq.check import check_file
from tests.commands.jobs.test_inputs import lexicon_of, refused

FEW = ("--inter", 20, "--intra", 2)


def record_of(out, verb):
    return json.loads((out / f"{verb}.run.json").read_text())


def contents(out):
    """What the files of a folder hold, but for the records of runs, which have times in them."""
    files = (path for path in out.rglob("*") if path.is_file() and not path.name.endswith(".run.json"))
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def clips_of(out):
    return pq.read_table(out / "egomcq_clips.parquet").select(["key", "clip_start", "clip_end"]).to_pylist()


def test_questions_alone_have_their_lexicon_with_them(run, tiny_root, tmp_path):
    done = run("egomcq", "--root", tiny_root, "--out", tmp_path / "O", *FEW, "--json")
    assert done.status == 0, done.err
    assert sorted(path.name for path in (tmp_path / "O" / "lexicon").iterdir()) == [
        "narration_noun_taxonomy.csv",
        "narration_verb_taxonomy.csv",
    ]
    manifest = json.loads((tmp_path / "O" / "egomcq-shards" / "manifest.json").read_text())
    assert (manifest["num_verbs"], manifest["num_nouns"]) != (118, 582)
    assert run("egoclip", "--root", tiny_root, "--out", tmp_path / "O", "--json").status == 0
    training = json.loads((tmp_path / "O" / "shards" / "manifest.json").read_text())
    assert [training[name] for name in ("num_verbs", "num_nouns", "lexicon")] == [
        manifest[name] for name in ("num_verbs", "num_nouns", "lexicon")
    ]


def test_questions_take_the_lexicon_of_their_egoclip(run, tiny_root, tmp_path):
    lexicon = lexicon_of(tiny_root, tmp_path / "lexicon", more="fling")
    egoclip = ("egoclip", "--root", tiny_root, "--tables-only", "--out")
    egomcq = ("egomcq", "--root", tiny_root, *FEW, "--tables-only", "--out")
    assert run(*egoclip, tmp_path / "O", "--lexicon", lexicon).status == 0
    for words in ("wordnet", lexicon_of(tiny_root, tmp_path / "other", more="hurl")):
        refused(run(*egomcq, tmp_path / "O", "--lexicon", words), "counts in other classes", "leave --lexicon out")
    assert run(*egomcq, tmp_path / "O", "--lexicon", lexicon).status == 0
    assert "unchanged" in run(*egomcq, tmp_path / "O").out
    assert run(*egomcq, tmp_path / "apart", "--egoclip", tmp_path / "O").status == 0
    for name in ("narration_verb_taxonomy.csv", "narration_noun_taxonomy.csv"):
        assert (tmp_path / "apart" / "lexicon" / name).read_bytes() == (tmp_path / "O" / "lexicon" / name).read_bytes()
    assert run(*egomcq, tmp_path / "first").status == 0  # in the root's own classes
    refused(run(*egoclip, tmp_path / "first", "--lexicon", lexicon), "`curate egomcq` that counts in other classes")


def test_one_alpha_for_both(run, tiny_root, tmp_path):
    egoclip = ("egoclip", "--root", tiny_root, "--tables-only", "--json", "--out")
    egomcq = ("egomcq", "--root", tiny_root, *FEW, "--tables-only", "--json", "--out")
    assert run(*egoclip, tmp_path / "O", "--alpha", "auto").status == 0
    beta = record_of(tmp_path / "O", "egoclip")["counts"]["beta"]
    beside = run(*egomcq, tmp_path / "O").summary
    assert beside["alpha"] == f"{beta['alpha']:.2f} s, as EgoClip"
    counts = record_of(tmp_path / "O", "egomcq")["counts"]
    assert (counts["alpha"], counts["mean_gap_sec"]) == (beta["alpha"], beta["mean"])
    assert run(*egomcq, tmp_path / "named", "--egoclip", tmp_path / "O", "--alpha", "auto").status == 0
    assert run(*egomcq, tmp_path / "alone", "--alpha", "auto").status == 0
    assert clips_of(tmp_path / "named") == clips_of(tmp_path / "alone") == clips_of(tmp_path / "O")
    assert run(*egomcq, tmp_path / "default").summary["alpha"] == "4.90 s"
    own = run(*egomcq, tmp_path / "own", "--egoclip", tmp_path / "O", "--alpha", 6).summary
    assert own["alpha"] == "6.00 s"


def test_the_check_knows_the_scenes_of_the_questions(run, tiny_root, tmp_path):
    assert run("egomcq", "--root", tiny_root, "--out", tmp_path, *FEW, "--tables-only").status == 0
    verified = run("verify", tmp_path / "egomcq.json", "--json").summary
    assert verified["problems"] == 0
    assert verified["not_checked"] == ["whether a video is trained on: no egoclip.parquet beside it"]
    clips = pq.read_table(tmp_path / "egomcq_clips.parquet")
    one_scene = clips.set_column(clips.column_names.index("scene"), "scene", [[0] * len(clips)])
    pq.write_table(one_scene, tmp_path / "egomcq_clips.parquet")
    assert sum("film the same scene" in problem for problem in check_file(tmp_path / "egomcq.json")) == 20
    (tmp_path / "egomcq.json").write_text("{}")
    assert run("verify", tmp_path / "egomcq.json").status == 3


def test_what_is_deleted_is_written_again_and_nothing_is_cut_again(run, tiny_root, tmp_path):
    lines = [(verb, "--root", tiny_root, "--out", tmp_path, *more) for verb, more in (("egoclip", ()), ("egomcq", FEW))]
    for line in lines:
        assert run(*line).status == 0
    before = contents(tmp_path)
    cut = {path: path.stat().st_ino for path in tmp_path.glob("*shards/*")}
    for name in ("egoclip.csv", "rejected.parquet", "videos.parquet", "egomcq_clips.parquet", "egomcq.json"):
        (tmp_path / name).unlink()
    shutil.rmtree(tmp_path / "lexicon")
    refused(run(*lines[1]), "lexicon is gone: the `curate egoclip` that wrote it brings it back")
    said = [run(*line).out for line in lines]
    assert "written again: lexicon/narration_verb_taxonomy.csv" in said[0] and "egoclip.csv" in said[0]
    assert "written again: egomcq_clips.parquet, egomcq.json had gone" in said[1]
    assert contents(tmp_path) == before
    assert {path: path.stat().st_ino for path in tmp_path.glob("*shards/*")} == cut
    assert all("unchanged" in run(*line).out for line in lines)


def test_after_a_record_of_an_earlier_version_is_deleted_nothing_is_cut_again(run, tiny_root, tmp_path):
    line = ("egoclip", "--root", tiny_root, "--out", tmp_path, "--json")
    assert run(*line).status == 0
    before, path = contents(tmp_path), tmp_path / "egoclip.run.json"
    record = json.loads(path.read_text())
    inputs = {name: value for name, value in record["inputs"].items() if name not in ("lexicon", "videos")}
    old = {"verb": "egoclip", "config": record["config"] | {"lexicon": "auto"}, "counts": record["counts"]}
    path.write_text(json.dumps(old | {"inputs": inputs}))
    refused(run(*line), "egoclip.run.json is of an earlier version", "delete that file")
    path.unlink()
    assert run(*line).summary["shards_state"] == "already there, unchanged"
    assert contents(tmp_path) == before


def test_a_lexicon_edited_in_its_place_is_not_overwritten(run, tiny_root, tmp_path):
    line = ("egoclip", "--root", tiny_root, "--out", tmp_path, "--tables-only")
    assert run(*line).status == 0
    path = tmp_path / "lexicon" / "narration_verb_taxonomy.csv"
    path.write_text(path.read_text().upper())
    refused(run(*line), str(path), "not as `curate egoclip` wrote it")


@pytest.mark.slow
def test_two_runs_at_once_do_not_share_a_folder(tiny_root, tmp_path):
    line = [sys.executable, "-m", "egocurate", "egoclip", "--root", str(tiny_root), "--out", str(tmp_path / "O")]
    both = [
        subprocess.Popen([*line, "--tables-only", "--alpha", alpha], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for alpha in ("4.9", "6")
    ]
    ends = sorted((one.wait(120), one.communicate()[1].decode()) for one in both)
    assert [status for status, _ in ends] == [0, 2], ends
    assert "another run is writing in" in ends[1][1] or "alpha was" in ends[1][1]
    assert ends[1][1].count("\n") == 1


def test_questions_that_cannot_be_made_are_counted_with_the_reason(run, tiny_root, tmp_path):
    done = run("egomcq", "--root", tiny_root, "--out", tmp_path, "--inter", 20, "--intra", 9000, "--tables-only")
    assert "fewer than asked" in done.out
    assert "of 9,000 intra: no more 5 clips in a row do different things (clips: 31, videos: 6)" in done.out


@pytest.fixture
def table(tmp_path):
    """A table of narrations, one video a split, as its rows say."""

    def write(*splits):
        rows = [f"{i}.mp4,{1 + j},30,cuts an onion,{split}" for i, split in enumerate(splits) for j in range(3)]
        (tmp_path / "narrations.csv").write_text("\n".join(["video,time,duration,text,split", *rows]) + "\n")
        return "--source", "table", "--root", tmp_path / "narrations.csv", "--out", tmp_path / "O"

    return write


@pytest.mark.parametrize(
    ("splits", "words"),
    [
        (("train", "train"), ("none of 2 videos is in a val split, by the table's column split", "--videos all")),
        (("train", "val"), ("0 of 24,000 inter: each needs 5 scenes", "their scenes: 1", "0 of 15,000 intra")),
    ],
)
def test_no_question_at_all_is_a_mistake_with_its_reason(run, table, splits, words):
    refused(run("egomcq", *table(*splits), "--tables-only"), *words)
