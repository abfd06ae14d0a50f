"""Each form against the code that reads it: names, tensors equal to the bit after the way back, and outputs."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForPreTraining, AutoTokenizer, VideoMAEForPreTraining, VideoPrismClipModel

from egocurate.errors import InputError
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.egovlp.weights import load_egovlp
from egocurate.models.egovlpv2.model import EgoVLPv2
from egocurate.models.egovlpv2.weights import load_egovlpv2
from egocurate.models.layers.configs import VideoConfig
from egocurate.models.layers.patches import cubes
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videomae.model import VideoMAE, draw_mask
from egocurate.models.videomae.weights import load_videomae
from egocurate.models.videoprism.config import DistillationConfig, VideoPrismConfig
from egocurate.models.videoprism.model import VideoPrism
from egocurate.models.videoprism.weights import load_videoprism
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.export.save_model import save_loaded
from egocurate.training.run.model_source import Loaded
from egocurate.training.systems import build_system
from tests.models.egovlpv2.test_weights import TINY as TINY_V2
from tests.models.egovlpv2.test_weights import release_names
from tests.training.conftest import TEXTS
from tests.training.run.test_load_release import egovlp_state

torch.set_num_threads(1)
CPU = Ranks(0, 1, torch.device("cpu"), False)


def drawn(recipe, tokenizer="", **changes):
    """A system of a recipe, all its parameters drawn, so that no two are equal."""
    config = replace(RECIPES[recipe](), device="cpu", **changes)
    system = build_system(replace(config, tokenizer=tokenizer if config.system != "videomae" else ""), None, CPU)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in system.model.named_parameters():
            noise = torch.randn(value.shape, generator=generator) * 0.1
            scale = "norm" in name and name.endswith("weight")
            value.copy_(1 + noise if scale else noise)
    system.model.eval()
    return config, system


def give(config, system, folder, form):
    return save_loaded(Loaded(system, "a run", {"step": 3}, ""), config, folder, form).folder


def same(state, other):
    return state.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in state.items())


def test_egovlp_s_own_names_and_back(tmp_path, tokenizer):
    config, system = drawn("egovlp-tiny", tokenizer)
    content = torch.load(give(config, system, tmp_path / "out", "egovlp") / "EgoVLP.pth", weights_only=True)
    expected = {name.removeprefix("module."): value for name, value in egovlp_state(system.model).items()}
    assert same(content["state_dict"], expected)
    model = EgoVLP(system.model.config)
    report = load_egovlp(model, str(tmp_path / "out" / "EgoVLP.pth"))
    assert not report.missing and not report.unused
    assert same(model.state_dict(), system.model.state_dict())


@pytest.mark.parametrize("shared", [False, True])
def test_egovlpv2_s_own_names_and_back(shared, tmp_path, tokenizer):
    sizes = replace(TINY_V2, shared=shared, text=replace(TINY_V2.text, vocab=64))
    data = replace(RECIPES["egovlpv2-tiny"]().data, size=16, frames=2)
    config, system = drawn("egovlpv2-tiny", tokenizer, model=sizes, data=data)
    path = give(config, system, tmp_path / "out", "egovlp") / "EgoVLPv2.pth"
    state = torch.load(path, weights_only=True)["state_dict"]
    assert {name: tuple(value.shape) for name, value in state.items()} == release_names(12, 8, 3, 1, 6, 64, 2)
    assert torch.equal(state["cls_token"], state["video_model.cls_token"]) is shared
    model = EgoVLPv2(sizes)
    report = load_egovlpv2(model, str(path))
    assert not report.missing and report.unused == ["fused_cls_token"] * shared
    assert same(model.state_dict(), system.model.state_dict())


def test_transformers_opens_videomae(tmp_path):
    sizes = VideoMAEConfig.tiny()
    data = replace(RECIPES["videomae-tiny"]().data, size=sizes.image, frames=sizes.frames)
    config, system = drawn("videomae-tiny", model=sizes, data=data)
    folder = give(config, system, tmp_path / "out", "hf")
    theirs, loading = VideoMAEForPreTraining.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"]
    theirs.decoder.norm.eps = 1e-6
    frames = torch.rand(2, 4, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    visible, masked = draw_mask(sizes, torch.rand(2, sizes.places, generator=torch.Generator().manual_seed(3)))
    hidden = torch.zeros(2, sizes.slots * sizes.places, dtype=torch.bool).scatter_(1, masked, True)
    with torch.no_grad():
        loss, prediction = system.model(frames, visible, masked)
        expected = theirs(frames, bool_masked_pos=hidden)
        torch.testing.assert_close(prediction, expected.logits, atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(loss, expected.loss)
        every = torch.arange(sizes.slots * sizes.places).expand(2, -1)
        tokens = system.model.encoder(cubes(frames, sizes.tubelet, sizes.patch), every)
        bare = AutoModel.from_pretrained(folder, trust_remote_code=False)
        torch.testing.assert_close(tokens, bare(frames).last_hidden_state, atol=2e-6, rtol=1e-5)
    assert type(AutoModelForPreTraining.from_pretrained(folder)) is VideoMAEForPreTraining
    back = VideoMAE(sizes)
    load_videomae(back, str(folder / "model.safetensors"))
    assert same(back.state_dict(), system.model.state_dict())


def test_transformers_opens_videoprism_with_texts(tmp_path, tokenizer):
    sizes = VideoPrismConfig.tiny()
    data = replace(RECIPES["videoprism-stage1-tiny"]().data, size=36, frames=4)
    config, system = drawn("videoprism-stage1-tiny", tokenizer, model=sizes, data=data)
    folder = give(config, system, tmp_path / "out", "hf")
    theirs, loading = VideoPrismClipModel.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
    assert not loading["missing_keys"] and not loading["unexpected_keys"]
    frames = torch.rand(2, 4, 3, 36, 36, generator=torch.Generator().manual_seed(2))
    ids, mask = system.tokens(TEXTS)
    with torch.no_grad():
        video = theirs.get_video_features(frames).pooler_output[:, 0]
        torch.testing.assert_close(system.model.encode_video(frames), video, atol=5e-6, rtol=1e-5)
        text = theirs.get_text_features(ids, attention_mask=mask).pooler_output
        torch.testing.assert_close(system.model.encode_text(ids, mask), text, atol=5e-6, rtol=1e-5)
    assert isinstance(AutoModel.from_pretrained(folder), VideoPrismClipModel)
    read = AutoTokenizer.from_pretrained(folder)
    assert read(TEXTS)["input_ids"] == system.tokens.tokenizer(TEXTS)["input_ids"]
    back = VideoPrism(sizes)
    load_videoprism(back, str(folder / "model.safetensors"))
    assert same(back.state_dict(), system.model.state_dict())


def test_transformers_opens_the_encoder_of_the_second_stage(tmp_path):
    sizes = DistillationConfig.tiny()
    data = replace(RECIPES["videoprism-stage2-tiny"]().data, size=36, frames=4)
    config, system = drawn("videoprism-stage2-tiny", model=sizes, data=data)
    folder = give(config, system, tmp_path / "out", "hf")
    theirs = AutoModel.from_pretrained(folder, attn_implementation="eager")
    frames = torch.rand(2, 4, 3, 36, 36, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = theirs(frames).last_hidden_state
        torch.testing.assert_close(system.model.encoder(frames), expected, atol=2e-5, rtol=1e-5)


def vit(state, picture, heads, eps):
    """A ViT by timm's names, worked out step by step: its tokens after the last LayerNorm, [1, L, D]."""
    width = state["norm.weight"].shape[0]
    x = F.conv2d(picture, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=PATCH)
    x = x.flatten(2).transpose(1, 2)
    if "cls_token" in state:
        x = torch.cat([state["cls_token"], x], dim=1)
    x = x + state["pos_embed"]

    def layer(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(name, x):
        return F.layer_norm(x, (width,), state[f"{name}.weight"], state[f"{name}.bias"], eps)

    for block in (f"blocks.{i}" for i in range(sum(name.endswith("mlp.fc1.bias") for name in state))):
        q, k, v = layer(f"{block}.attn.qkv", norm(f"{block}.norm1", x)).unflatten(2, (3, heads, -1)).unbind(2)
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) * (width // heads) ** -0.5
        x = x + layer(f"{block}.attn.proj", torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v).flatten(2))
        x = x + layer(f"{block}.mlp.fc2", F.gelu(layer(f"{block}.mlp.fc1", norm(f"{block}.norm2", x))))
    return norm("norm", x)


PATCH = 8


@pytest.mark.parametrize("attention", ["divided", "joint"])
def test_timm_s_vit_of_egovlp_is_its_tower_on_one_frame_without_time(attention, tmp_path, tokenizer):
    config = RECIPES["egovlp-tiny"]()
    video = VideoConfig(image=32, patch=PATCH, width=16, depth=2, heads=2, attention=attention)
    config, system = drawn(
        "egovlp-tiny",
        tokenizer,
        model=replace(config.model, video=video),
        data=replace(config.data, size=32),
    )
    state = load_file(give(config, system, tmp_path / "out", "timm") / "model.safetensors")
    tower = system.model.video
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        tower.temporal_embed.zero_()
        for block in tower.blocks if attention == "divided" else ():
            block.timeattn.proj.weight.zero_()
            block.timeattn.proj.bias.zero_()
        torch.testing.assert_close(vit(state, picture, 2, 1e-6)[:, 0], tower(picture[:, None]))


def test_timm_s_vit_of_videomae_is_its_encoder_on_a_picture_that_stands_still(tmp_path):
    sizes = replace(VideoMAEConfig.tiny(), frames=2)
    data = replace(RECIPES["videomae-tiny"]().data, size=32, frames=2)
    config, system = drawn("videomae-tiny", model=sizes, data=data)
    state = load_file(give(config, system, tmp_path / "out", "timm") / "model.safetensors")
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    still = picture[:, None].expand(-1, 2, -1, -1, -1)
    with torch.no_grad():
        every = torch.arange(sizes.places)[None]
        expected = system.model.encoder(cubes(still, 2, PATCH), every)
        torch.testing.assert_close(vit(state, picture, sizes.heads, 1e-6), expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("recipe", "form", "said"),
    [
        ("egovlp-tiny", "hf", "transformers has no class"),
        ("egovlpv2-tiny", "hf", "transformers has no class"),
        ("videomae-tiny", "egovlp", "it is for egovlp and egovlpv2"),
        ("videoprism-stage1-tiny", "egovlp", "it is for egovlp and egovlpv2"),
        ("videoprism-stage1-tiny", "timm", "has no ViT as timm has it"),
        ("egovlp-tiny", "onnx", "there are safetensors, hf, egovlp, timm"),
    ],
)
def test_a_form_that_a_model_has_not_is_one_line_and_leaves_nothing(recipe, form, said, tmp_path, tokenizer):
    config, system = drawn(recipe, tokenizer)
    with pytest.raises(InputError, match=said) as raised:
        give(config, system, tmp_path / "out", form)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_towers_that_egovlp_s_code_does_not_know(tmp_path, tokenizer):
    config = RECIPES["egovlp-tiny"]()
    model = replace(config.model, video=replace(config.model.video, attention="joint"))
    config, system = drawn("egovlp-tiny", tokenizer, model=model)
    with pytest.raises(InputError, match="joint attention"):
        give(config, system, tmp_path / "out", "egovlp")
    data = replace(RECIPES["videoprism-stage2-tiny"]().data, size=36, frames=4)
    sizes = DistillationConfig.tiny()
    sizes = replace(sizes, encoder=replace(sizes.encoder, cap=0.0))
    config, system = drawn("videoprism-stage2-tiny", model=sizes, data=data)
    with pytest.raises(InputError, match="cap=0"):
        give(config, system, tmp_path / "out", "hf")
