"""Invented data of the tasks that dual encoders are tuned to, and small runs on them."""

from dataclasses import replace

import pytest

from egocurate.commands.curate import main
from egocurate.curation.synthetic import LabeledRootConfig
from egocurate.curation.synthetic.labeled import write_charades, write_epic, write_state_changes
from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.egovlpv2.config import EgoVLPv2Config
from egocurate.models.layers.configs import RobertaTextConfig, TextConfig, VideoConfig
from egocurate.training.config.recipes import RECIPES

_WRITE = {"epic": write_epic, "charades": write_charades, "ego4d": write_state_changes}
VIDEO = VideoConfig(image=32, patch=16, width=32, depth=2, heads=2)
ROOT = LabeledRootConfig(train=2, test=2, long_train=2, long_test=1, motion_sec=0.5, video_sec=24.0, side=48, fps=10)


def curate(*arguments):
    with pytest.raises(SystemExit) as left:
        main([*map(str, arguments)])
    return left.value.code


def write_tasks(folder, tasks=("epic", "charades", "ego4d")):
    """EPIC-KITCHENS-100, Charades-Ego and state changes, or some of them, and the shards of each."""
    for task in tasks:
        _WRITE[task](folder, ROOT)
    if "epic" in tasks:
        epic = folder / "epic"
        files = {"train": "EPIC_100_train.csv", "test": "retrieval_annotations/EPIC_100_retrieval_test.csv"}
        for name, file in files.items():
            shards = ("shards", "--egoclip", epic / file, "--source", "epic-kitchens", "--root", epic)
            assert not curate(*shards, "--out", folder / f"mir-{name}", "--profile", "fast")
    if "charades" in tasks:
        table = folder / "charades/CharadesEgo/CharadesEgo_v1_train_only1st.csv"
        videos = ("--videos-dir", folder / "charades/CharadesEgo_v1_480", "--profile", "fast")
        assert not curate("segments", "--csv", table, *videos, "--out", folder / "actions")
    for name in ("train", "val") if "ego4d" in tasks else ():
        table = folder / f"ego4d/v2/annotations/fho_oscc-pnr_{name}.json"
        changes = ("segments", "--annotations", table, "--ego4d-root", folder / "ego4d", "--profile", "fast")
        assert not curate(*changes, "--out", folder / f"changes-{name}")
    return folder


def tiny(recipe, shards, out, **changes):
    """The tiny recipe, smaller still, for four steps."""
    config = RECIPES[recipe]()
    if isinstance(config.model, EgoVLPConfig):
        model = EgoVLPConfig(VIDEO, TextConfig(vocab=300, width=32, depth=1, heads=2, dropout=0.0), projection=16)
    elif isinstance(config.model, EgoVLPv2Config):
        text = RobertaTextConfig(vocab=300, width=32, depth=2, heads=2, max_tokens=16, dropout=0.0)
        model = replace(config.model, video=replace(VIDEO, eps=1e-5), text=text, fused_layers=1, projection=16)
    else:
        model = replace(config.model, backbone=VIDEO)
    base = replace(
        config,
        model=model,
        data=replace(config.data, size=32, frames=4, workers=0),
        shards=(str(shards),),
        out=str(out),
        batch_size=8,
        max_steps=4,
        eval_every=2,
        checkpoint_every=2,
        log_every=1,
        device="cpu",
    )
    return replace(base, **changes)
