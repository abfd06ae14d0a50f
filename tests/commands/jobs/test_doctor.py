"""`curate doctor` tries each thing, and tells what is missing and how to get it."""

import importlib

import numpy as np
import pytest

from egocurate.commands.jobs import doctor
from egocurate.curation.text import pos_tags as parse


@pytest.mark.slow
def test_doctor_finds_what_the_tests_run_on(curate):
    done = curate("doctor")
    assert done.returncode == 0, done.stderr
    lines = {line[8:31].strip(): line[:8].strip() for line in done.stdout.splitlines()}
    for name in ("encoder libx264", "spaCy model", "WordNet", "Ray", "torch", "decoder pyav"):
        assert lines[name] == "ok", done.stdout
    assert {"decoder torchcodec", "decoder decord", "text tower", "object stores", "shared memory", "disk here"} <= set(
        lines
    )


def test_a_missing_language_model_is_named_with_the_way_to_get_it(monkeypatch):
    real = importlib.import_module

    def without_models(name, *args, **more):
        if name.startswith("en_core_web_sm"):
            raise ModuleNotFoundError(name=name)
        return real(name, *args, **more)

    parse._network.cache_clear()
    monkeypatch.setattr("importlib.import_module", without_models)
    found = doctor._parser()
    monkeypatch.undo()
    parse._network.cache_clear()
    assert not found.good and found.needed
    assert "pip install" in found.what


@pytest.mark.parametrize(
    ("ray", "words"),
    [
        ("raise SystemExit('Ray on this machine does not start: no room in /dev/shm')", "no room in /dev/shm"),
        ("import time; time.sleep(600)", "has not started within 1 s; its logs: "),
        ("import os; os.abort()", "its process died"),
    ],
)
def test_ray_that_does_not_start_is_no_ray(monkeypatch, ray, words):
    monkeypatch.setattr(doctor, "_START_RAY", ray)
    monkeypatch.setattr(doctor, "RAY_SEC", 1.0 if "sleep" in ray else 60.0)
    found = doctor._ray()
    assert not found.good and found.needed
    assert words in found.what and "\n" not in found.what


def test_a_decoder_that_gives_other_frames_is_not_fine(monkeypatch):
    monkeypatch.setattr("egocurate.shards.video.decode.decode_frames", lambda *_: np.zeros((4, 64, 64, 3), np.uint8))
    found = doctor._decoder("pyav")
    assert not found.good and found.needed
    assert "its frames are not those of the clip" in found.what


def test_a_folder_that_cannot_be_written_to_is_named(monkeypatch, tmp_path):
    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    found = doctor._disk()
    assert not found.good
    assert found.what == f"{tmp_path} cannot be written to (Permission denied); --out names another place"
