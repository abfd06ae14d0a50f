"""Clips that end before an action begins."""

import pytest

from egocurate.curation.labels.read_annotations import read_annotations
from egocurate.curation.labels.windows_before import Before
from egocurate.errors import InputError


def rows_of(tmp_path, lines):
    path = tmp_path / "labels.csv"
    path.write_text("video,start_sec,end_sec,label\n" + "".join(f"{line}\n" for line in lines))
    return read_annotations(path, ())


def test_a_clip_ends_the_gap_before_its_action_and_keeps_its_label(tmp_path):
    rows = rows_of(tmp_path, ["a,70,72,z", "a,1.2,3,y", "b,3,4,x"])
    before = Before(1.0, 4.0).rows(rows)
    assert before.start.tolist() == [65.0, 0.0]  # the third is shorter, of the second nothing is left
    assert before.end.tolist() == [69.0, 2.0]
    assert before.labels == {"label": ["z", "x"]}
    assert (before.uid, before.number.tolist(), before.skipped) == (["a", "b"], [0, 0], 1)


def test_rows_without_a_start_and_no_row_at_all_are_one_line(tmp_path):
    with pytest.raises(InputError, match="line 3 has no start, before which --before could be"):
        Before(1.0, 4.0).rows(rows_of(tmp_path, ["a,70,72,z", "b,,,x"]))
    with pytest.raises(InputError, match=r"no row starts 1\.5 s or more into its video"):
        Before(1.0, 4.0).rows(rows_of(tmp_path, ["a,1,3,y"]))
