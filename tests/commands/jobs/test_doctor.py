"""`curate doctor` tells what is missing and how to get it."""

import importlib

from egocurate.commands.jobs.doctor import examine
from egocurate.curation.text import pos_tags as parse


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

    def without_models(name, *args):
        if name.startswith("en_core_web_sm"):
            raise ModuleNotFoundError(name=name)
        return real(name, *args)

    parse._model.cache_clear()
    monkeypatch.setattr("importlib.import_module", without_models)
    found = {finding.name: finding for finding in examine()}
    monkeypatch.undo()
    parse._model.cache_clear()
    assert not found["spaCy model"].good
    assert found["spaCy model"].needed
    assert "pip install" in found["spaCy model"].what
