import json
import os

import pytest

from egocurate.commands.output.run_record import locked_run, open_run, read_run
from egocurate.errors import InputError

CONFIG = {"window": "egoclip", "alpha": 4.9}
INPUTS = {"narration.json": "10:aa"}


def test_an_unfinished_run_leaves_nothing_behind(tmp_path):
    run = open_run(tmp_path / "out", "shards", CONFIG, INPUTS)
    assert not run.done
    assert not (tmp_path / "out").exists()
    assert read_run(tmp_path / "out", "shards") is None


def test_a_finished_run_is_found_again_with_its_counts(tmp_path):
    open_run(tmp_path, "shards", CONFIG, INPUTS).finish({"clips": 7})
    record = json.loads((tmp_path / "shards.run.json").read_text())
    assert record["versions"]["python"].startswith("3.")
    again = open_run(tmp_path, "shards", CONFIG, INPUTS)
    assert again.done
    assert again.counts == {"clips": 7}


@pytest.mark.parametrize(
    ("config", "inputs", "named"),
    [
        ({**CONFIG, "alpha": 5.0}, INPUTS, "alpha was 4.9, now 5.0"),
        (CONFIG, {"narration.json": "11:bb"}, "narration.json changed"),
        (CONFIG, {}, "narration.json is not there now"),
        (CONFIG, INPUTS | {"tags_from": "9:cc"}, "tags_from was not there then"),
    ],
)
def test_other_inputs_into_the_same_folder_are_refused_and_named(tmp_path, config, inputs, named):
    open_run(tmp_path, "shards", CONFIG, INPUTS).finish({})
    before = (tmp_path / "shards.run.json").read_bytes()
    with pytest.raises(InputError, match=named) as error:
        open_run(tmp_path, "shards", config, inputs)
    assert "\n" not in str(error.value)
    assert (tmp_path / "shards.run.json").read_bytes() == before


def test_other_inputs_are_taken_where_a_folder_may_grow_but_other_settings_are_not(tmp_path):
    open_run(tmp_path, "shards", CONFIG, INPUTS).finish({"clips": 7})
    more = {"narration.json": "11:bb"}
    run = open_run(tmp_path, "shards", CONFIG, more, may_grow=True)
    assert not run.done
    assert (run.counts, run.changes) == ({"clips": 7}, ["narration.json changed"])
    with pytest.raises(InputError, match="alpha was"):
        open_run(tmp_path, "shards", {**CONFIG, "alpha": 5.0}, more, may_grow=True)
    run.finish({"clips": 9})
    assert run.done and open_run(tmp_path, "shards", CONFIG, more).counts == {"clips": 9}


def test_tuples_in_a_config_equal_the_lists_json_makes_of_them(tmp_path):
    open_run(tmp_path, "shards", {"filters": ("stereo",)}, {}).finish({})
    assert open_run(tmp_path, "shards", {"filters": ("stereo",)}, {}).done


def test_a_broken_record_says_what_to_do(tmp_path):
    (tmp_path / "shards.run.json").write_text("{")
    with pytest.raises(InputError, match="delete it"):
        open_run(tmp_path, "shards", CONFIG, INPUTS)


@pytest.fixture
def finished(tmp_path):
    """A folder after a run that wrote two files."""
    (tmp_path / "lexicon").mkdir()
    for name in ("egoclip.csv", "lexicon/verbs.csv"):
        (tmp_path / name).write_text(f"content of {name}")
    open_run(tmp_path, "shards", CONFIG, INPUTS).finish({"clips": 7}, ["egoclip.csv", "lexicon/verbs.csv"])
    return tmp_path


def test_a_file_that_is_gone_is_to_be_made_again(finished):
    assert open_run(finished, "shards", CONFIG, INPUTS).done
    (finished / "lexicon/verbs.csv").unlink()
    run = open_run(finished, "shards", CONFIG, INPUTS)
    assert not run.done
    assert run.describe() == {"tables": "written again: lexicon/verbs.csv had gone"}
    assert run.counts == {"clips": 7}


@pytest.mark.parametrize("content", ["content of EGOCLIP.csv", "more than there was at first"])
def test_a_file_that_someone_has_changed_is_not_overwritten(finished, content):
    (finished / "egoclip.csv").write_text(content)
    with pytest.raises(InputError, match="not as `curate shards` wrote it"):
        open_run(finished, "shards", CONFIG, INPUTS)


def test_files_of_other_origin_are_no_reason(finished):
    (finished / "notes.txt").write_text("mine")
    assert open_run(finished, "shards", CONFIG, INPUTS).done


def test_a_record_of_an_earlier_version_is_neither_taken_for_equal_nor_a_crash(finished):
    path = finished / "shards.run.json"
    record = json.loads(path.read_text())
    record.pop("format")
    path.write_text(json.dumps(record))
    assert read_run(finished, "shards")["counts"] == {"clips": 7}
    with pytest.raises(InputError, match="did not note what its inputs held; name another --out, or delete") as error:
        open_run(finished, "shards", CONFIG, INPUTS)
    assert "\n" not in str(error.value)


def test_the_second_of_two_runs_is_told_who_is_at_work(tmp_path):
    with locked_run(tmp_path / "out", "shards", CONFIG, INPUTS) as run:
        for verb in ("shards", "egomcq"):
            with (
                pytest.raises(InputError, match=rf"another run is writing in .*process {os.getpid()} on"),
                locked_run(tmp_path / "out", verb, CONFIG, INPUTS),
            ):
                pass
        run.finish({"clips": 7})
        with locked_run(tmp_path / "out", "egomcq", CONFIG, INPUTS) as other:  # its clips may be cut meanwhile
            assert not other.done
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["shards.run.json"]
    with locked_run(tmp_path / "out", "shards", CONFIG, INPUTS) as again:
        assert again.done


def test_a_run_that_fails_lets_the_next_one_in(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(RuntimeError), locked_run(out, "shards", CONFIG, INPUTS):
        raise RuntimeError("no memory")
    assert not out.exists()
    with locked_run(out, "shards", CONFIG, INPUTS) as run:
        assert not run.done


def test_a_record_tells_no_secret_and_a_new_signature_is_no_other_run(tmp_path, monkeypatch):
    def config(secret):
        return CONFIG | {"clips": f"https://ann:{secret}@host.org/egoclip.csv?X-Amz-Signature={secret}"}

    monkeypatch.setattr("sys.argv", ["curate", "shards", "--egoclip", config("pa55word")["clips"]])
    open_run(tmp_path, "shards", config("pa55word"), INPUTS).finish({"clips": 7, "from": config("pa55word")["clips"]})
    text = (tmp_path / "shards.run.json").read_text()
    assert "pa55word" not in text and text.count("https://REDACTED@host.org/egoclip.csv?REDACTED") == 3
    assert open_run(tmp_path, "shards", config("other"), INPUTS).done
    # One of an earlier version, which had them in it.
    (tmp_path / "shards.run.json").write_text(text.replace("REDACTED", "pa55word"))
    assert open_run(tmp_path, "shards", config("other"), INPUTS).done
    with pytest.raises(InputError) as error:
        open_run(tmp_path, "shards", config("other") | {"window": "adaptive"}, INPUTS)
    assert "pa55word" not in str(error.value)
