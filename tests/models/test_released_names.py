"""The architecture of weights by the names of their tensors, and the table of the releases that are known."""

import re
from pathlib import Path

import pytest
import torch
from transformers import (
    CLIPModel,
    Siglip2Model,
    TimesformerModel,
    VideoMAEForPreTraining,
    VideoMAEForVideoClassification,
    VideoPrismClipModel,
    VideoPrismVideoModel,
    VideoPrismVisionModel,
)

import egocurate
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.frozen.kinds import KINDS
from egocurate.models.frozen.released import RELEASED
from egocurate.models.released_names import is_hub_name, is_of_layer, is_weights_file, recognize, width_of
from egocurate.training.config.recipes import RECIPES
from egocurate.training.run.load_release import PUBLISHED
from tests.models.egovlpv2.test_weights import release_names

PAGE = Path(__file__).parents[2] / "docs" / "releases.md"
EGOVLP = {
    "module.video_model.blocks.0.timeattn.qkv.weight": (24, 8),
    "module.video_model.patch_embed.proj.weight": (8, 3, 16, 16),
    "module.text_model.transformer.layer.0.attention.q_lin.weight": (8, 8),
    "module.vid_proj.0.weight": (4, 8),
    "module.txt_proj.1.weight": (4, 8),
}


def shapes_of(kind):
    """Names and shapes of a model of transformers at its default size, without memory for its values."""
    with torch.device("meta"):
        model = kind(kind.config_class())
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def test_files_and_names_of_the_hub_are_told_from_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "first").mkdir(parents=True)
    (tmp_path / "weights").touch()
    for source in ("gone.pth", "weights/EgoVLP.npz", "weights", tmp_path / "weights"):
        assert is_weights_file(source)
        assert not is_hub_name(source)
    for source in ("runs/first", "runs", "./runs", "../runs/second", "/runs/second", "a/b/c", Path("runs/second")):
        assert not is_hub_name(source)
        assert not is_weights_file(source)
    assert is_hub_name("google/videoprism-lvt-base-f16r288")


def test_releases_are_recognized_by_their_names():
    assert (recognize(EGOVLP), width_of(EGOVLP)) == ("egovlp", 8)
    v2 = release_names(12, 8, 3, 1, 6, 40, 4)
    assert (recognize(v2), width_of(v2)) == ("egovlpv2", 12)
    # The dual parts alone, an EgoVLPv2 that does not fuse, are no EgoVLPv2.
    with pytest.raises(ValueError, match="a dual encoder like EgoVLP's"):
        recognize([name for name in v2 if "t2i" not in name])
    encoder = {
        "params/spatial_encoder/transformers_stack/x_layers/layer_norm/scale": (12, 768),
        "params/temporal_encoder/transformers_stack/x_layers/layer_norm/scale": (4, 768),
        "params/patch_projection/linear/kernel": (972, 768),
    }
    assert (recognize(encoder), width_of(encoder)) == ("videoprism-encoder", 768)


@pytest.mark.parametrize(
    ("kind", "architecture"),
    [
        (VideoMAEForPreTraining, "videomae"),
        (VideoMAEForVideoClassification, "videomae-classifier"),
        (VideoPrismClipModel, "videoprism"),
        (VideoPrismVideoModel, "videoprism-encoder"),
        (VideoPrismVisionModel, "videoprism-encoder"),
    ],
)
def test_names_of_transformers_are_recognized(kind, architecture):
    shapes = shapes_of(kind)
    assert (recognize(shapes), width_of(shapes)) == (architecture, 768)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (CLIPModel, "a CLIP or SigLIP"),
        (Siglip2Model, "a CLIP or SigLIP"),
        (TimesformerModel, "its .* tensors begin with embeddings"),
    ],
)
def test_names_of_others_say_what_they_look_like(kind, words):
    with pytest.raises(ValueError, match=words):
        recognize(shapes_of(kind))


def test_names_of_no_model():
    with pytest.raises(ValueError, match="its 0 tensors begin with nothing"):
        recognize([])
    assert width_of({}) == width_of({"x": ()}) == 0
    ours = EgoVLP(RECIPES["egovlp-tiny"]().model).state_dict()
    with pytest.raises(ValueError, match="name its folder as RUN"):
        recognize(ours)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("video.blocks.11.norm1.weight", True),
        ("text.model.transformer.layer.5.ffn.lin1.bias", True),
        ("video.encoder.space.12.attn.qkv.weight", True),
        ("text.model.embeddings.position_ids", False),
        ("video_model.head.weight", False),
    ],
)
def test_tensors_of_layers_are_told_from_others(name, expected):
    assert is_of_layer(name) is expected


def test_the_table_names_what_there_is():
    known = egocurate.releases()
    systems = {release.system for release in known}
    assert systems >= PUBLISHED.keys() | RELEASED.keys()
    # Those that systems of their own read have rows of their own.
    assert systems - PUBLISHED.keys() - RELEASED.keys() == set(KINDS) - {
        *("videomae", "videoprism", "videoprism_vision_model", "dinov2_with_registers"),
        *("clip_vision_model", "siglip_vision_model", "siglip2_vision_model"),
    }
    for release in known:
        assert release.recipe == (PUBLISHED[release.system].recipe if release.system in PUBLISHED else "")
        assert not release.recipe or release.recipe in RECIPES
        assert release.sha256 is None or re.fullmatch("[0-9a-f]{64}", release.sha256)
    assert len({release.name for release in known}) == len(known)


def test_the_page_has_the_table():
    page = PAGE.read_text()
    table = page[page.index("| release |") :].partition("\n\n")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(egocurate.releases())
    for release in egocurate.releases():
        cells = (release.name, f"`{release.system}`", release.file, release.published, release.sha256 or "not known")
        recipe = f"`{release.recipe}`" if release.recipe else "none"
        assert f"| {' | '.join((*cells, recipe, release.notes))} |" in rows
