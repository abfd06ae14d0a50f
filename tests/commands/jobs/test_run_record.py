import json

import pytest

from egocurate.commands.jobs.run_record import open_run, read_run
from egocurate.errors import InputError

CONFIG = {"window": "egoclip", "alpha": 4.9}
INPUTS = {"narration.json": "10:aa"}


def test_an_unfinished_run_leaves_nothing_behind(tmp_path):
    run = open_run(tmp_path / "out", "egoclip", CONFIG, INPUTS)
    assert not run.done
    assert not (tmp_path / "out").exists()
    assert read_run(tmp_path / "out", "egoclip") is None


def test_a_finished_run_is_found_again_with_its_counts(tmp_path):
    open_run(tmp_path, "egoclip", CONFIG, INPUTS).finish({"clips": 7})
    record = json.loads((tmp_path / "egoclip.run.json").read_text())
    assert record["versions"]["python"].startswith("3.")
    again = open_run(tmp_path, "egoclip", CONFIG, INPUTS)
    assert again.done
    assert again.counts == {"clips": 7}


@pytest.mark.parametrize(
    ("config", "inputs", "named"),
    [
        ({**CONFIG, "alpha": 5.0}, INPUTS, "alpha was 4.9, now 5.0"),
        (CONFIG, {"narration.json": "11:bb"}, "narration.json changed"),
        (CONFIG, {}, "narration.json was 10:aa, now None"),
    ],
)
def test_other_inputs_into_the_same_folder_are_refused_and_named(tmp_path, config, inputs, named):
    open_run(tmp_path, "egoclip", CONFIG, INPUTS).finish({})
    before = (tmp_path / "egoclip.run.json").read_bytes()
    with pytest.raises(InputError, match=named) as error:
        open_run(tmp_path, "egoclip", config, inputs)
    assert "\n" not in str(error.value)
    assert (tmp_path / "egoclip.run.json").read_bytes() == before


def test_other_inputs_are_taken_where_a_folder_may_grow_but_other_settings_are_not(tmp_path):
    open_run(tmp_path, "egoclip", CONFIG, INPUTS).finish({"clips": 7})
    more = {"narration.json": "11:bb"}
    run = open_run(tmp_path, "egoclip", CONFIG, more, may_grow=True)
    assert not run.done
    assert (run.counts, run.changes) == ({"clips": 7}, ["narration.json changed"])
    with pytest.raises(InputError, match="alpha was"):
        open_run(tmp_path, "egoclip", {**CONFIG, "alpha": 5.0}, more, may_grow=True)
    run.finish({"clips": 9})
    assert run.done and open_run(tmp_path, "egoclip", CONFIG, more).counts == {"clips": 9}


def test_tuples_in_a_config_equal_the_lists_json_makes_of_them(tmp_path):
    open_run(tmp_path, "egoclip", {"filters": ("stereo",)}, {}).finish({})
    assert open_run(tmp_path, "egoclip", {"filters": ("stereo",)}, {}).done


def test_a_broken_record_says_what_to_do(tmp_path):
    (tmp_path / "egoclip.run.json").write_text("{")
    with pytest.raises(InputError, match="delete it"):
        open_run(tmp_path, "egoclip", CONFIG, INPUTS)
