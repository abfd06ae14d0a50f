"""The dual encoder: sizes, padding, text tower, learning."""

import pytest
import torch
from transformers import DistilBertConfig, DistilBertModel

from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.layers.configs import TextConfig, VideoConfig
from egocurate.models.layers.distilbert import TextTower
from egocurate.models.losses.info_nce import info_nce
from egocurate.models.tokenizer import train_tokenizer

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
    states = model.encode_tokens(ids, mask)
    torch.testing.assert_close(text, model.txt_proj(states[:, 0]))
    torch.testing.assert_close(states[:, :4], model.encode_tokens(ids[:, :4], mask[:, :4]))
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
