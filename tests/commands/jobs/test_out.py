"""Where --out may lie: each verb says in one line why it writes nothing there."""

import shutil

import pytest

from tests.commands.jobs.test_inputs import refused

VERBS = {
    "egoclip": ("--tables-only", "--root", "ROOT"),
    "egomcq": ("--tables-only", "--root", "ROOT"),
    "shards": ("--egoclip", "TABLES", "--root", "ROOT"),
    "segments": ("--root", "ROOT"),
    "export": ("--like", "avion", "--root", "ROOT"),
    "train": ("egovlp-tiny", "--shards", "TABLES"),
    "features": ("RUN", "--videos", "ROOT"),
    "demo": (),
}


@pytest.fixture(scope="module")
def places(tiny_root, tmp_path_factory):
    """A root of one's own, an EgoClip folder, a training run and features, as far as their first files tell."""
    folder = tmp_path_factory.mktemp("places")
    shutil.copytree(tiny_root, folder / "ROOT", ignore=shutil.ignore_patterns("*.mp4"))
    marks = {"TABLES": "egoclip.run.json", "RUN": "recipe.json", "FEATURES": "features.json", "SHARDS": "manifest.json"}
    for name, mark in marks.items():
        (folder / name).mkdir()
        (folder / name / mark).write_text('{"objective": {}, "rate": 1, "planned": {}}')
    (folder / "TABLES" / "egoclip.parquet").touch()
    (folder / "file").touch()
    return folder


@pytest.fixture
def write(run, places):
    """Run a verb with an --out among the places."""

    def call(verb, out):
        words = [str(places / word) if word.isupper() else word for word in VERBS[verb]]
        return run(verb, *words, "--out", out if out.startswith("/") else places / out)

    return call


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(("out", "words"), [("file", "is a file"), ("file/x", "is a file"), ("/proc/x", "can be made")])
def test_a_place_where_no_folder_can_be(write, verb, out, words):
    refused(write(verb, out), out, words)


HOLDS = {"TABLES": "a run of `curate egoclip`", "RUN": "a training run", "FEATURES": "features", "SHARDS": "shards"}
OWN = {"TABLES": ("egoclip", "egomcq"), "RUN": ("train",), "FEATURES": ("features",), "SHARDS": ("shards", "segments")}


@pytest.mark.parametrize(("verb", "out"), [(verb, out) for verb in VERBS for out in HOLDS if verb not in OWN[out]])
def test_a_folder_of_something_else(write, places, verb, out):
    before = sorted(places.rglob("*"))
    refused(write(verb, out), f"{out} holds {HOLDS[out]}")
    assert sorted(places.rglob("*")) == before


@pytest.mark.parametrize("verb", VERBS)
def test_the_root_itself(write, verb):
    refused(write(verb, "ROOT"), "is the root itself" if "--root" in VERBS[verb] else "holds Ego4D's annotations")


def test_a_root_without_ego4d_json_is_a_root_too(run, tmp_path):
    (tmp_path / "narrations.csv").write_text("video,time,text\na.mp4,1,cuts onion\n")
    refused(run("egoclip", "--source", "epic-kitchens", "--root", tmp_path, "--out", tmp_path), "is the root itself")
    table = tmp_path / "narrations.csv"
    refused(run("egoclip", "--source", "table", "--root", table, "--out", table), "is the root itself")


@pytest.mark.parametrize("content", ['{"name": "an app"}', "[1]", "no JSON"])
def test_files_of_other_origin_are_no_reason(run, tiny_root, tmp_path, content):
    for name in ("manifest.json", "recipe.json", "features.json", "notes.txt"):
        (tmp_path / name).write_text(content)
    assert run("egoclip", "--root", tiny_root, "--out", tmp_path, "--tables-only").status == 0


def test_a_picture_needs_a_folder(run, places):
    refused(run("show", places / "TABLES", 0, "--out", places / "file" / "x.png"), "there is no folder")
    refused(run("show", places / "TABLES", 0, "--out", places / "RUN"), "is a folder")


def test_training_writes_to_this_machine(run, places):
    refused(run("train", "egovlp-tiny", "--shards", places, "--out", "memory://x"), "folder of this machine")
