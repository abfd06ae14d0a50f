"""From a file of labels to batches that carry them, by the command line."""

import json
import shutil

import numpy as np
import pytest

from egocurate.commands.curate import main
from egocurate.loaders.clip_stream import stream
from egocurate.loaders.views.multi_view_clips import MultiViewClips, Views
from egocurate.shards.read.index import ShardIndex

LABELS = "video,start_sec,end_sec,verb,noun\nP01_01,0,2,take,3\nP01_01,2,4,put,1\nP02_01,1,3,take,-1\n"
NAMES = ["--label-names", "verbs.txt"]
SHOWN = {"frames": 2, "size": 16, "workers": 0, "negatives": False}


@pytest.fixture
def run(capsys):
    """Run `curate ARGS...` in this process; returns its exit status, its summary and its errors."""

    def call(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([*map(str, arguments), "--json"])
        said = capsys.readouterr()
        return left.value.code or 0, json.loads(said.out or "{}"), said.err

    return call


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(LABELS)
    return path


def test_labels_go_from_a_csv_by_a_table_and_shards_to_batches(run, labeled_root, csv, tmp_path):
    videos = ["--videos-dir", labeled_root / "epic"]
    status, summary, _ = run(
        "segments", "--csv", csv, "--labels", "verb,noun", *videos, "--tables-only", "--out", tmp_path / "T"
    )
    assert status == 0 and summary == {"clips": 3, "classes": {"verb": 2, "noun": 4}, "labels_not_known": {"noun": 1}}
    table = tmp_path / "T" / "segments.parquet"
    source = ["--source", "labels", "--root", csv, *videos]
    status, summary, _ = run("shards", "--egoclip", table, *source, "--out", tmp_path / "S")
    assert status == 0 and summary["classes"] == {"verb": 2, "noun": 4} and summary["samples"] == 3
    index = ShardIndex.open(tmp_path / "S")
    assert index.label_names == {"verb": ["put", "take"], "noun": ["0", "1", "2", "3"]}
    assert index.row(2).labels == {"verb": 1, "noun": -1}
    (batch,) = stream(tmp_path / "S", batch_size=3, **SHOWN)
    order = batch.sample.argsort()
    assert {kind: labels[order].tolist() for kind, labels in batch.labels.items()} == {
        "verb": [1, 0, 1],
        "noun": [3, 1, -1],
    }
    assert all(str(labels.dtype) == "torch.int64" for labels in batch.labels.values())
    # In one go, the same shards.
    run("segments", "--csv", csv, "--labels", "verb,noun", *videos, "--out", tmp_path / "O")
    tars = [
        (folder / f"{name}-000000.tar").read_bytes()
        for folder, name in ((tmp_path / "S", "egoclip"), (tmp_path / "O", "segments"))
    ]
    assert tars[0] == tars[1]
    assert run("verify", tmp_path / "O")[0] == 0


def test_a_test_split_has_the_numbers_of_its_training_split(run, labeled_root, tmp_path):
    motions = labeled_root / "motions"
    names = ["--label-names", motions / "classes.txt"]
    assert run("segments", "--csv", motions / "train.txt", *names, "--out", tmp_path / "train")[0] == 0
    one_line = (motions / "test.txt").read_text().splitlines()[0]
    (motions / "one.txt").write_text(one_line + "\n")
    given = ["--label-names", tmp_path / "train"]
    assert run("segments", "--csv", motions / "one.txt", *given, "--out", tmp_path / "test")[0] == 0
    train, test = (ShardIndex.open(tmp_path / name) for name in ("train", "test"))
    assert train.label_names == test.label_names and len(test.label_names["label"]) == 6
    assert test.labels["label"].tolist() == [int(one_line.split()[1])]
    clips = MultiViewClips(train, np.arange(len(train)), Views(frames=4, size=16, segments=2, pick="segments-middle"))
    lines = [line.split() for line in (motions / "train.txt").read_text().splitlines()]
    by_video = {path.rpartition("/")[2].removesuffix(".mp4"): int(label) for path, label in lines}
    assert clips.labels("label").tolist() == [by_video[train.row(n).video_uid] for n in range(len(train))]


def test_epic_s_own_shards_get_its_classes(run, labeled_root, tmp_path):
    epic = labeled_root / "epic"
    source = ["--source", "epic-kitchens", "--root", epic]
    table = ["--egoclip", epic / "EPIC_100_train.csv"]
    assert run("shards", *table, *source, "--labels", "verb,action", "--out", tmp_path / "S")[0] == 0
    index = ShardIndex.open(tmp_path / "S")
    assert list(index.labels) == ["verb", "action"]
    for number in range(len(index)):
        row = index.row(number)
        assert row.labels["verb"] == row.tag_verb[0]
        verb, noun = index.label_names["action"][row.labels["action"]].split(",")
        assert [int(verb)] == row.tag_verb.tolist() and [int(noun)] == row.tag_noun.tolist()
    status, _, said = run("shards", *table, *source, "--out", tmp_path / "S")
    assert status == 2 and "with other inputs: labels was" in said
    assert run("shards", *table, *source, "--out", tmp_path / "plain")[0] == 0
    plain = ShardIndex.open(tmp_path / "plain")
    assert plain.labels == {} and "labels" not in plain.manifest


def test_state_changes_are_cut_out_of_an_ego4d_root_with_their_time(run, labeled_root, tmp_path):
    ego4d = labeled_root / "ego4d"
    annotations = ego4d / "v2" / "annotations" / "fho_oscc-pnr_val.json"
    status, summary, _ = run("segments", "--annotations", annotations, "--root", ego4d, "--out", tmp_path / "S")
    assert status == 0 and summary["classes"] == {"state_change": 2}
    index = ShardIndex.open(tmp_path / "S")
    clips = {clip["unique_id"]: clip for clip in json.loads(annotations.read_text())["clips"]}
    told = [clips[index.row(n).clip_text] for n in range(len(index))]
    assert index.labels["state_change"].tolist() == [int(clip["state_change"]) for clip in told]
    frames = [clip["parent_pnr_frame"] or 15 * (clip["parent_start_sec"] + clip["parent_end_sec"]) for clip in told]
    assert index.narration_time * 30 == pytest.approx(np.array(frames))


@pytest.mark.parametrize("with_epic", [False, True])
def test_a_tar_that_is_lost_is_cut_again_with_its_labels(run, labeled_root, csv, tmp_path, with_epic):
    shards, epic = tmp_path / "S", labeled_root / "epic"
    if with_epic:
        source = ["--source", "epic-kitchens", "--root", epic]
        table = ["--egoclip", epic / "EPIC_100_train.csv"]
        made = run("shards", *table, *source, "--labels", "verb", "--out", shards)
    else:
        source, table = ["--source", "labels", "--root", csv, "--videos-dir", epic], []
        made = run("segments", "--csv", csv, "--labels", "verb", "--videos-dir", epic, "--out", shards)
    assert made[0] == 0
    (tar,) = shards.glob("*.tar")
    before = tar.read_bytes()
    tar.unlink()
    status, summary, _ = run("verify", shards, "--repair", *source, *table)
    assert status == 0, summary
    assert tar.read_bytes() == before and list(ShardIndex.open(shards).labels) == ["verb"]


def test_a_video_that_comes_later_is_added(run, labeled_root, csv, tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    shutil.copy(labeled_root / "epic" / "P02" / "videos" / "P02_01.mp4", videos)
    csv.write_text("video,verb\nP02_01,take\nP01_01,put\n")
    command = ["segments", "--csv", csv, "--labels", "verb", "--videos-dir", videos, "--out", tmp_path / "S"]
    status, summary, _ = run(*command)
    assert status == 0 and summary["samples"] == 1
    assert summary["waiting_for"] == {"clips": 1, "videos_not_on_disk": 1}
    assert (tmp_path / "S" / "waiting.csv").read_text() == "video_uid,clips\nP01_01,1\n"
    shutil.copy(labeled_root / "epic" / "P01" / "videos" / "P01_01.mp4", videos)
    status, summary, _ = run(*command)
    assert status == 0 and summary["new_samples"] == 1 and "waiting_for" not in summary
    index = ShardIndex.open(tmp_path / "S")
    named = {index.row(n).video_uid: index.label_names["verb"][index.labels["verb"][n]] for n in range(2)}
    assert named == {"P01_01": "put", "P02_01": "take"}
    status, summary, _ = run(*command)
    assert summary["shards_state"] == "already there, unchanged"


def test_other_labels_into_the_same_folder_are_refused(run, labeled_root, csv, tmp_path):
    command = [
        "segments",
        "--csv",
        csv,
        "--labels",
        "verb",
        "--videos-dir",
        labeled_root / "epic",
        "--out",
        tmp_path / "S",
    ]
    assert run(*command, "--tables-only")[0] == 0
    (tmp_path / "S" / "segments.run.json").unlink()  # as if the run had been killed
    csv.write_text(LABELS.replace("put", "stir"))
    status, _, said = run(*command, "--tables-only")
    assert status == 2 and "segments.parquet has segments of the rows of labels.csv" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name what is to be cut"),
        (["--csv", "labels.csv"], "has no column 'label'"),
        (["--csv", "gone.csv"], "gone.csv: no such file of labels"),
        (["--csv", "labels.csv", "--labels", "verb,noun", *NAMES], "for which of verb, noun? write it as verb=verbs"),
        (["--csv", "labels.csv", "--labels", "verb", *NAMES], "verb of 2 of 3 rows is not among the 1 names ('take'; "),
        (["--csv", "labels.csv", "--labels", "verb", "--label-names", "."], "manifest.json is not there"),
        (["--root", "labels.csv", "--source", "labels", "--labels", "verb"], "go with --csv FILE"),
        (["--csv", "whole.csv", "--labels", "verb"], "none of the 1 videos of whole.csv is on disk"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(run, csv, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "verbs.txt").write_text("put\n")
    (tmp_path / "whole.csv").write_text("video,verb\nnowhere.mp4,take\n")
    status, _, said = run("segments", *arguments, "--out", "S")
    assert status == 2 and message in said and said.count("\n") == 1
    assert not (tmp_path / "S").exists()
