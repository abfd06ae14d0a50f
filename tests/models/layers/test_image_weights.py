"""Image ViTs by timm's names; CLIP's image towers, by both kinds of names, give what transformers' class gives."""

import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModel

from egocurate.models.layers.configs import VideoConfig
from egocurate.models.layers.image_weights import load_clip, load_vit
from egocurate.models.layers.video_tower import VideoTower

torch.set_num_threads(1)
SIZES = {"image_size": 32, "patch_size": 8, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
VIT = VideoConfig(image=16, patch=8, max_frames=4, width=8, depth=1, heads=2)
TINY = VideoConfig(image=32, patch=8, max_frames=4, width=24, depth=2, heads=3, eps=1e-5, style="clip")
OPENAI = (
    ("embeddings.class_embedding", "class_embedding"),
    ("embeddings.position_embedding.weight", "positional_embedding"),
    ("embeddings.patch_embedding", "conv1"),
    ("pre_layrnorm", "ln_pre"),
    ("post_layernorm", "ln_post"),
    ("encoder.layers", "transformer.resblocks"),
    ("self_attn.out_proj", "attn.out_proj"),
    ("layer_norm", "ln_"),
    ("mlp.fc1", "mlp.c_fc"),
    ("mlp.fc2", "mlp.c_proj"),
)


@pytest.fixture(scope="module")
def clip():
    torch.manual_seed(0)
    model = CLIPVisionModel(CLIPVisionConfig(**SIZES, intermediate_size=96)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def named_by_transformers(clip):
    prefix = "" if any(name.startswith("vision_model.") for name in clip.state_dict()) else "vision_model."
    return {prefix + name: value for name, value in clip.state_dict().items()}


def named_by_openai(clip):
    state, renamed = named_by_transformers(clip), {"logit_scale": torch.ones(())}
    for name, value in state.items():
        name = name.removeprefix("vision_model.")
        for theirs, ours in OPENAI:
            name = name.replace(theirs, ours)
        renamed[f"visual.{name}"] = value
    for layer in range(SIZES["num_hidden_layers"]):
        stem = f"visual.transformer.resblocks.{layer}"
        for kind in ("weight", "bias"):
            parts = [renamed.pop(f"{stem}.self_attn.{part}_proj.{kind}") for part in "qkv"]
            renamed[f"{stem}.attn.in_proj_{kind}"] = torch.cat(parts)
    return renamed


@pytest.mark.parametrize("names", [named_by_transformers, named_by_openai])
def test_one_frame_is_clips_own_picture(clip, names, tmp_path):
    save_file({name: value.contiguous() for name, value in names(clip).items()}, tmp_path / "clip.safetensors")
    tower = VideoTower(TINY).eval()
    report = load_clip(tower, str(tmp_path / "clip.safetensors"))
    assert {name for name in report.missing if "timeattn" not in name and "norm3" not in name} == {"temporal_embed"}
    picture = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        expected = clip(picture).pooler_output
        found = tower(picture[:, None])
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


def test_another_tower_or_file_is_refused_in_a_line(clip, tmp_path):
    save_file(
        {name: value.contiguous() for name, value in named_by_transformers(clip).items()}, tmp_path / "clip.safetensors"
    )
    vit = VideoTower(VideoConfig(image=32, patch=8, width=24, depth=2, heads=3))
    with pytest.raises(ValueError, match="style=clip"):
        load_clip(vit, str(tmp_path / "clip.safetensors"))
    save_file({"other": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other\.safetensors.*fits"):
        load_clip(VideoTower(TINY), str(tmp_path / "other.safetensors"))


def test_vit_weights_load_by_timm_names(tmp_path):
    torch.manual_seed(0)
    source, target = VideoTower(VIT), VideoTower(VIT)
    state = {
        name: value.clone() for name, value in source.state_dict().items() if "time" not in name and "norm3" not in name
    }
    del state["temporal_embed"]
    save_file(
        state | {"head.weight": torch.zeros(3, 8), "pos_embed": torch.zeros(1, 9, 8)}, tmp_path / "vit.safetensors"
    )
    report = load_vit(target, str(tmp_path / "vit.safetensors"))
    assert report.unused == ["head.weight", "pos_embed"]  # no such layer; another number of patches
    assert "pos_embed" in report.missing and "temporal_embed" in report.missing
    assert set(report.loaded) == state.keys() - {"pos_embed"}
    torch.testing.assert_close(target.blocks[0].attn.qkv.weight, source.blocks[0].attn.qkv.weight)


def test_weights_that_do_not_fit_or_exist_are_named(tmp_path):
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="none of its 1 tensors fits"):
        load_vit(VideoTower(VIT), str(tmp_path / "other.safetensors"))
    with pytest.raises(ValueError, match="no such file"):
        load_vit(VideoTower(VIT), str(tmp_path / "nothing.pth"))
