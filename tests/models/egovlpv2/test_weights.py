"""The release's names of EgoVLPv2's parameters, written out with their shapes, and files of our own names."""

from dataclasses import replace

import pytest
import torch

from egocurate.models.egovlpv2.config import EgoVLPv2Config
from egocurate.models.egovlpv2.model import EgoVLPv2
from egocurate.models.egovlpv2.weights import egovlpv2_names, load_egovlpv2
from egocurate.models.layers.configs import RobertaTextConfig, VideoConfig
from egocurate.models.weights import load_weights, save_weights

torch.set_num_threads(1)
TINY = EgoVLPv2Config(
    video=VideoConfig(image=16, patch=8, max_frames=2, width=12, depth=3, heads=3, eps=1e-5),
    text=RobertaTextConfig(vocab=40, width=8, depth=3, heads=2, max_tokens=10, dropout=0.0),
    fused_layers=2,
    projection=6,
)


def release_names(width, words, depth, lower, space, vocab, frames):
    """Names and shapes in a checkpoint of the release."""

    def layer(name, rows, columns, bias=True):
        return {f"{name}.weight": (rows, columns)} | ({f"{name}.bias": (rows,)} if bias else {})

    def scale(name, size):
        return {f"{name}.weight": (size,), f"{name}.bias": (size,)}

    names = {"video_model.cls_token": (1, 1, width), "video_model.temporal_embed": (1, frames, width)}
    names |= {"video_model.pos_embed": (1, 5, width), "cls_token": (1, 1, width)}
    names |= {"video_model.patch_embed.proj.weight": (width, 3, 8, 8), "video_model.patch_embed.proj.bias": (width,)}
    names |= scale("video_model.norm", width) | scale("norm", width)
    for k in range(depth):
        block = f"video_model.blocks.{k}"
        for part in ("norm1", "norm2", "norm3"):
            names |= scale(f"{block}.{part}", width)
        for part in ("attn", "timeattn"):
            names |= layer(f"{block}.{part}.qkv", 3 * width, width) | layer(f"{block}.{part}.proj", width, width)
        names |= layer(f"{block}.mlp.fc1", 4 * width, width) | layer(f"{block}.mlp.fc2", width, 4 * width)
        text = f"text_model.encoder.layer.{k}"
        for part in ("query", "key", "value"):
            names |= layer(f"{text}.attention.self.{part}", words, words)
        names |= layer(f"{text}.attention.output.dense", words, words)
        names |= scale(f"{text}.attention.output.LayerNorm", words) | scale(f"{text}.output.LayerNorm", words)
        names |= layer(f"{text}.intermediate.dense", 4 * words, words) | layer(f"{text}.output.dense", words, 4 * words)
        if k >= lower:
            names |= layer(f"{block}.attn.qkv_i2t", width, width) | layer(f"{block}.attn.proj_i2t", width, width)
            names |= layer(f"{block}.attn.qkv_text_i2t", 2 * width, words) | scale(f"{block}.attn.norm_i2t_i", width)
            names |= {f"{block}.attn.alpha_i2t": (1,), f"{text}.alpha_t2i": (1,)}
            for part, size in (("query", words), ("key", width), ("value", width)):
                names |= layer(f"{text}.crossattention_t2i.self.{part}", words, size)
            names |= layer(f"{text}.crossattention_t2i.output.dense", words, words)
    for part, rows in (("word", vocab), ("position", 12), ("token_type", 1)):
        names[f"text_model.embeddings.{part}_embeddings.weight"] = (rows, words)
    names |= scale("text_model.embeddings.LayerNorm", words)
    for part, size in (("vid_proj", width), ("txt_proj", words)):
        names |= layer(f"{part}.0", space, size, bias=False) | layer(f"{part}.2", space, space)
        names |= layer(f"{part}.4", space, space)
    names |= layer("cross_modal_text_transform", words, words) | layer("cross_modal_video_transform", words, width)
    names |= layer("cross_modal_text_pooler.dense", words, words)
    names |= layer("cross_modal_video_pooler.dense", words, words) | layer("itm_score.fc", 2, 2 * words)
    names |= layer("mlm_score.transform.dense", words, words) | scale("mlm_score.transform.LayerNorm", words)
    return names | {"mlm_score.decoder.weight": (vocab, words), "mlm_score.bias": (vocab,)}


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_checkpoint_of_the_release_loads_whole(frames, tmp_path):
    torch.manual_seed(0)
    names = release_names(12, 8, 3, 1, 6, 40, frames)
    state = {f"module.{name}": torch.randn(shape) for name, shape in names.items()}
    torch.save({"state_dict": state}, tmp_path / "egovlpv2.pth")
    model = EgoVLPv2(TINY)
    report = load_egovlpv2(model, str(tmp_path / "egovlpv2.pth"))
    assert (report.missing, report.unused) == ([], [])
    gate = model.text_gates[1]
    theirs = {name.removeprefix("module.text_model.encoder.layer.2."): value for name, value in state.items()}
    assert torch.equal(gate.gate, theirs["alpha_t2i"])
    assert torch.equal(gate.kv.weight[:8], theirs["crossattention_t2i.self.key.weight"])
    assert torch.equal(gate.kv.bias[8:], theirs["crossattention_t2i.self.value.bias"])
    assert torch.equal(model.video_gates[0].kv.weight, state["module.video_model.blocks.1.attn.qkv_text_i2t.weight"])
    assert torch.equal(model.fused_cls_token, state["module.cls_token"])
    time = state["module.video_model.temporal_embed"]
    torch.testing.assert_close(model.video.temporal_embed[:, 0], time[:, 0])
    torch.testing.assert_close(model.video.temporal_embed[:, 1], time[:, min(1, frames - 1)])


def test_names_of_another_model_are_reported(tmp_path):
    model = EgoVLPv2(replace(TINY, shared=True))
    state = {
        "cls_token": torch.zeros(1, 1, 12),
        "norm.weight": torch.ones(12),
        "text_model.pooler.dense.bias": torch.ones(8),
    }
    assert set(egovlpv2_names(state, model)) == {"fused_cls_token", "fused_norm.weight", "text.model.pooler.dense.bias"}
    torch.save(state, tmp_path / "part.pth")
    report = load_egovlpv2(model, str(tmp_path / "part.pth"))
    assert report.loaded == ["fused_norm.weight"]
    assert report.unused == ["fused_cls_token", "text.model.pooler.dense.bias"]


def test_weights_survive_a_safetensors_file(tmp_path):
    torch.manual_seed(0)
    source, target = EgoVLPv2(TINY), EgoVLPv2(TINY)
    save_weights(source, tmp_path / "model.safetensors")
    report = load_weights(target, str(tmp_path / "model.safetensors"))
    assert (report.missing, report.unused) == ([], [])
    assert all(torch.equal(value, target.state_dict()[name]) for name, value in source.state_dict().items())
