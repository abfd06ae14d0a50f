"""The dual encoder: sizes, padding, tokenizer, metric, published weights."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import DistilBertConfig, DistilBertModel

from egocurate.models.egovlp.model import EgoVLP, EgoVLPConfig
from egocurate.models.layers.distilbert import TextConfig, TextTower
from egocurate.models.layers.video_tower import VideoConfig, VideoTower
from egocurate.models.losses.info_nce import info_nce
from egocurate.models.metrics.egomcq import EgoMCQQuestions, egomcq_accuracy
from egocurate.models.tokenizer import load_tokenizer, train_tokenizer
from egocurate.models.weights import load_egovlp, load_vit
from egocurate.questions import INTER, INTRA

torch.set_num_threads(1)
TINY = EgoVLPConfig(
    video=VideoConfig(image=16, patch=8, max_frames=4, width=8, depth=1, heads=2),
    text=TextConfig(vocab=64, width=12, depth=1, heads=2, max_tokens=16, dropout=0.0),
    projection=6,
)
TEXTS = ["picks up the cup", "cuts the onion with a knife", "cuts the onion", "walks"]


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_base_has_the_published_number_of_parameters():
    with torch.device("meta"):
        model = EgoVLP(EgoVLPConfig.base())
    assert count(model.video) == 114_168_576  # 114.17 M at 4 frames
    assert count(model.text) == 66_362_880  # 66.36 M
    assert round(count(model) / 1e6, 1) == 180.9


def test_small_learns_to_tell_clips_apart():
    torch.manual_seed(0)
    model = EgoVLP(EgoVLPConfig.small())
    tokenizer = train_tokenizer(TEXTS)
    tokens = tokenizer(TEXTS, padding=True, return_tensors="pt")
    frames = torch.randn(4, 4, 3, 64, 64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = info_nce(*model(tokens.input_ids, tokens.attention_mask, frames))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 2
    assert losses[-1] < 0.2


def test_shapes_and_padding():
    torch.manual_seed(0)
    model = EgoVLP(TINY).eval()
    ids = torch.tensor([[2, 9, 8, 3, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 0, 0]])
    text = model.encode_text(ids, mask)
    assert text.shape == (1, 6)
    torch.testing.assert_close(text, model.encode_text(ids[:, :4], mask[:, :4]))
    assert model.encode_video(torch.randn(3, 2, 3, 16, 16)).shape == (3, 6)


def test_text_projection_sees_only_what_is_positive():
    model = EgoVLP(TINY)
    hidden = torch.randn(5, 12)
    torch.testing.assert_close(model.txt_proj(hidden), model.txt_proj(hidden.clamp(min=0)))


def test_text_tower_loads_a_folder(tmp_path):
    source = DistilBertModel(DistilBertConfig(vocab_size=50, dim=12, hidden_dim=48, n_layers=1, n_heads=2)).eval()
    source.save_pretrained(tmp_path)
    tower = TextTower(TextConfig(pretrained=str(tmp_path))).eval()
    ids, mask = torch.tensor([[2, 9, 3]]), torch.ones(1, 3, dtype=torch.long)
    assert tower.width == 12
    torch.testing.assert_close(tower(ids, mask), source(ids, mask).last_hidden_state[:, 0])


def test_text_tower_names_weights_that_are_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"text weights .*nothing"):
        TextTower(TextConfig(pretrained=str(tmp_path / "nothing")))


def test_tokenizer_round_trip(tmp_path):
    tokenizer = train_tokenizer(TEXTS, vocab=60)
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(str(tmp_path))
    texts = ["Cuts the CUP", "unseen cat", "ß"]
    assert again(texts).input_ids == tokenizer(texts).input_ids
    assert len(again) <= 60
    assert again.decode(again("cuts the onion").input_ids, skip_special_tokens=True) == "cuts the onion"
    assert again.unk_token_id in again("ß").input_ids
    padded = again(["walks", "cuts the onion"], padding=True, return_tensors="pt")
    assert padded.attention_mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]


def test_tokenizer_does_not_depend_on_the_order_of_texts():
    assert train_tokenizer(TEXTS).get_vocab() == train_tokenizer(TEXTS[::-1]).get_vocab()


def test_tokenizer_prefers_frequent_words_when_pieces_run_out():
    plain = train_tokenizer(["ab"] * 3 + ["ba"], vocab=5 + 4 + 1)
    assert plain.tokenize("ab ba") == ["ab", "b", "##a"]


def test_missing_tokenizer_is_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"tokenizer .*nothing") as raised:
        load_tokenizer(str(tmp_path / "nothing"))
    assert "\n" not in str(raised.value)


def test_mcq_accuracy_by_type():
    clips = torch.eye(6)
    choices = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [5, 1, 2, 3, 4], [0, 1, 2, 3, 5]])
    types = np.array([INTER, INTER, INTRA, INTER])
    text = torch.stack([clips[1], clips[0], clips[5] * 7, clips[4] * 0 + clips[5]])
    answer = np.array([1, 2, 0, 4])
    accuracy = egomcq_accuracy(text, clips, EgoMCQQuestions(choices, answer, types))
    assert accuracy == {"inter": pytest.approx(200 / 3), "intra": 100.0}


def test_mcq_ties_go_to_the_first_and_nan_is_wrong():
    clips = torch.ones(5, 3)
    questions = EgoMCQQuestions(np.arange(5)[None].repeat(2, 0), np.array([0, 1]), np.array([INTER, INTER]))
    assert egomcq_accuracy(torch.ones(2, 3), clips, questions) == {"inter": 50.0}
    assert egomcq_accuracy(torch.full((2, 3), torch.nan), clips, questions) == {"inter": 0.0}


def test_vit_weights_load_by_timm_names(tmp_path):
    torch.manual_seed(0)
    source, target = VideoTower(TINY.video), VideoTower(TINY.video)
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


@pytest.mark.parametrize("frames", [2, 6])
def test_egovlp_checkpoint_loads(frames, tmp_path):
    torch.manual_seed(0)
    source, target = EgoVLP(TINY), EgoVLP(TINY)
    names = {
        "video.": "video_model.",
        "text.model.": "text_model.",
        "vid_proj.": "vid_proj.0.",
        "txt_proj.": "txt_proj.",
    }
    state = {}
    for name, value in source.state_dict().items():
        ours = next(prefix for prefix in names if name.startswith(prefix))
        state["module." + names[ours] + name.removeprefix(ours)] = value
    state["module.video_model.temporal_embed"] = torch.ones(1, frames, 8)
    torch.save({"state_dict": state}, tmp_path / "egovlp.pth")
    report = load_egovlp(target, str(tmp_path / "egovlp.pth"))
    assert (report.missing, report.unused) == ([], [])
    assert target.video.temporal_embed[0, :, 0].tolist() == [1, 1, 0, 0] if frames == 2 else [1, 1, 1, 1]
    torch.testing.assert_close(target.txt_proj[1].weight, source.txt_proj[1].weight)


def test_weights_that_do_not_fit_or_exist_are_named(tmp_path):
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="none of its 1 tensors fits"):
        load_vit(VideoTower(TINY.video), str(tmp_path / "other.safetensors"))
    with pytest.raises(ValueError, match="no such file"):
        load_vit(VideoTower(TINY.video), str(tmp_path / "nothing.pth"))
