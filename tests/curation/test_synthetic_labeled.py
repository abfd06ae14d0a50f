import json
from dataclasses import replace

import av
import numpy as np
import pytest

from egocurate.curation.synthetic import LabeledRootConfig, write_labeled_root
from egocurate.curation.synthetic.labeled import write_motions, write_state_changes
from egocurate.curation.synthetic.render import drift, render
from egocurate.curation.synthetic.script import MOTIONS, Action, Script
from egocurate.errors import InputError

TINY = LabeledRootConfig(train=6, test=6, long_train=1, long_test=1, motion_sec=0.5, video_sec=16.0, side=32, fps=10)


def files_of(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def frames_of(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(np.int16)


def test_the_same_seed_gives_the_same_bytes_and_a_finished_root_is_kept(tmp_path):
    for name, config in (("a", TINY), ("b", TINY), ("c", replace(TINY, seed=1))):
        write_motions(tmp_path / name, config)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert files_of(tmp_path / "a") != files_of(tmp_path / "c")
    write_labeled_root(tmp_path / "a", TINY)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*")}
    write_labeled_root(tmp_path / "a", TINY)
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*")}
    with pytest.raises(InputError, match="other settings"):
        write_labeled_root(tmp_path / "a", replace(TINY, seed=1))


def test_splits_have_every_class_equally_often_and_no_video_twice(tmp_path):
    write_motions(tmp_path, TINY)
    lists = {
        name: [line.split() for line in (tmp_path / "motions" / f"{name}.txt").read_text().splitlines()]
        for name in ("train", "test")
    }
    for lines in lists.values():
        assert sorted(int(label) for _, label in lines) == list(range(len(MOTIONS)))
    contents = [(tmp_path / "motions" / path).read_bytes() for lines in lists.values() for path, _ in lines]
    assert len(set(contents)) == len(contents)


@pytest.mark.parametrize("phase", [0.0, 0.37, 1.0])
def test_one_moment_is_the_same_in_all_motions_for_starts_that_are_drawn_evenly(phase):
    """Of starts on a grid a motion makes the same grid, moved: where an object is at a moment tells no motion."""
    grid = (np.arange(10) + 0.5) / 10
    for motion, (axis, _) in MOTIONS.items():
        places = []
        for share in grid:
            start = [0.5, 0.5, 0.5]
            start[axis] = share
            x, y, scale, _ = drift(motion, phase, tuple(start))
            places.append((x / 0.6 + 0.5, y / 0.5 + 0.5, np.log(scale / 0.6) / np.log(2.5))[axis])
        assert min(places) >= 0 and max(places) <= 1
        assert np.diff(sorted(places)) == pytest.approx(np.full(9, 0.1))


def test_motions_of_one_axis_are_each_other_backwards():
    for one, other in (("moving left", "moving right"), ("moving up", "moving down"), ("approaching", "receding")):
        start = (0.2, 0.3, 0.4)
        axis, way = MOTIONS[one]
        end = list(start)
        end[axis] = (start[axis] + way * 0.9) % 1
        forward = [drift(one, phase, start) for phase in np.linspace(0, 1, 7)]
        backward = [drift(other, phase, tuple(end)) for phase in np.linspace(1, 0, 7)]
        assert np.array(forward) == pytest.approx(np.array(backward))


def test_spots_are_smooth_and_of_motions_alone(tmp_path):
    """What a table shows at a place then follows from the places around it; a pixel's own shade does not."""
    roughness = {}
    for spots in (0.0, 0.3):
        config = replace(TINY, spots=spots)
        write_motions(tmp_path / str(spots), config)
        write_state_changes(tmp_path / str(spots), replace(config, video_sec=8.0))
        rows = frames_of(tmp_path / str(spots) / "motions/train/train_0000.mp4")[0, 12:, :, 1]
        roughness[spots] = np.median(np.abs(np.diff(rows, axis=1)))
    assert roughness[0.3] < 0.5 * roughness[0.0]
    plain, spotted = (files_of(tmp_path / str(spots) / "ego4d/v2/full_scale") for spots in (0.0, 0.3))
    assert plain == spotted


def test_an_object_comes_apart_at_the_frame_that_is_told(tmp_path):
    def script(change_sec):
        return Script(8.0, ("plate", "cup"), (Action(4.0, "tap", "plate", duration_sec=8.0, change_sec=change_sec),))

    for name, change_sec in (("whole", None), ("apart", 3.3)):
        render(script(change_sec), tmp_path / f"{name}.mp4", side=64, fps=10, seed=0)
    whole, apart = frames_of(tmp_path / "whole.mp4"), frames_of(tmp_path / "apart.mp4")
    differs = np.abs(whole - apart).mean(axis=(1, 2, 3))
    assert differs[:33].max() < 0.5 < 2 < differs[33:].min()


def test_windows_of_state_changes_are_as_ego4d_has_them(tmp_path):
    write_state_changes(tmp_path, TINY)
    clips = []
    for split in ("train", "val"):
        path = tmp_path / "ego4d" / "v2" / "annotations" / f"fho_oscc-pnr_{split}.json"
        clips += json.loads(path.read_text())["clips"]
    assert sum(clip["state_change"] for clip in clips) == len(clips) / 2 == 2
    for clip in clips:
        assert clip["parent_end_sec"] - clip["parent_start_sec"] == 8.0
        assert (clip["parent_pnr_frame"] is not None) == clip["state_change"]
        if clip["state_change"]:
            assert clip["parent_start_frame"] < clip["parent_pnr_frame"] < clip["parent_end_frame"]
