import itertools
import json

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw

from egocurate.curation.synthetic import DemoRootConfig, write_demo_root
from egocurate.curation.synthetic.hand import GRIPS, draw_arms, draw_palms
from egocurate.curation.synthetic.render import pose, render
from egocurate.curation.synthetic.script import ACTION_SEC, NOUNS, VERBS, Script, narrate, third_person, write_script
from egocurate.errors import InputError

SMALL = DemoRootConfig(train=3, val=1, video_sec=12.0, side=32, fps=10)


def test_a_script_fills_its_video_with_actions_that_do_not_overlap():
    script = write_script(np.random.default_rng(1), 60.0)
    times = [a.time_sec for a in script.actions]
    assert min(np.diff(times)) > ACTION_SEC
    assert times[-1] < 60.0 - ACTION_SEC / 2
    assert all(a.verb in VERBS and a.noun in script.objects for a in script.actions)
    assert all(a != b for a, b in zip(script.actions, script.actions[1:], strict=False))


def test_every_verb_moves_in_its_own_way():
    paths = {verb: tuple(np.round([pose(verb, p) for p in np.linspace(0, 1, 9)], 3).ravel()) for verb in VERBS}
    assert len(set(paths.values())) == len(VERBS)


def test_every_verb_has_its_grip_in_the_mirror_too():
    """Training flips pictures: a grip that is another one's mirror image would tell neither."""
    seen = {}
    for verb in VERBS:
        picture = Image.new("RGB", (64, 64))
        draw = ImageDraw.Draw(picture)
        draw_arms(draw, GRIPS[verb], (32, 32), 11, 64)
        draw_palms(draw, GRIPS[verb], (32, 32), 11, 64)
        seen[verb] = np.asarray(picture).any(axis=2)
    for one, other in itertools.combinations(VERBS, 2):
        for mirrored in (seen[other], seen[other][:, ::-1]):
            assert (seen[one] ^ mirrored).sum() > 0.25 * (seen[one] | mirrored).sum(), (one, other)


def test_two_annotators_tell_the_same_script_differently():
    script = write_script(np.random.default_rng(1), 60.0)
    first = narrate(np.random.default_rng(2), script, 1)
    second = narrate(np.random.default_rng(3), script, 2)
    assert first != second
    assert all(0 <= time_sec <= 60 and text.startswith("#C C ") for time_sec, text in first + second)
    assert third_person("pick up") == "picks up"
    assert third_person("push") == "pushes"


def test_the_pictures_show_the_action_and_depend_on_the_seed_alone(tmp_path):
    script = write_script(np.random.default_rng(4), 6.0)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        render(script, tmp_path / f"{name}.mp4", side=32, fps=10, seed=seed)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert (tmp_path / "a.mp4").read_bytes() != (tmp_path / "c.mp4").read_bytes()
    render(Script(6.0, script.objects), tmp_path / "idle.mp4", side=32, fps=10, seed=0)
    acting, idle = _frames(tmp_path / "a.mp4"), _frames(tmp_path / "idle.mp4")
    middle = round(script.actions[0].time_sec * 10)
    assert len(acting) == 60
    assert np.abs(acting[middle] - idle[middle]).mean() > 2 * np.abs(acting[0] - idle[0]).mean()


def test_the_root_has_ego4d_s_layout(tmp_path):
    write_demo_root(tmp_path, SMALL)
    videos = json.loads((tmp_path / "ego4d.json").read_text())["videos"]
    narration = json.loads((tmp_path / "v2/annotations/narration.json").read_text())
    assert len(videos) == len(narration) == 6
    assert {v["split_em"] for v in videos} == {"train", "val", "test", None}
    assert sum(v["is_stereo"] for v in videos) == 1
    assert sum("narration_pass_2" not in entry for entry in narration.values()) == 1
    for video in videos:
        assert (tmp_path / "v2/full_scale" / f"{video['video_uid']}.mp4").exists()
    assert (tmp_path / "v2/annotations/narration_noun_taxonomy.csv").read_text().count("\n") == len(NOUNS) + 1


def test_a_finished_root_is_kept_and_another_is_refused(tmp_path):
    write_demo_root(tmp_path, SMALL)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    write_demo_root(tmp_path, SMALL)
    assert stamps == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(InputError, match="other settings"):
        write_demo_root(tmp_path, DemoRootConfig(train=4))


def _frames(path):
    with av.open(str(path)) as container:
        return [f.to_ndarray(format="rgb24").astype(np.int16) for f in container.decode(video=0)]
