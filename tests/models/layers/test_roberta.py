"""Text towers against transformers, bit by bit, and padding."""

from dataclasses import replace

import pytest
import torch
from transformers import DistilBertConfig, DistilBertModel, RobertaConfig, RobertaModel

from egocurate.models.layers.configs import RobertaTextConfig, TextConfig
from egocurate.models.layers.distilbert import TextTower
from egocurate.models.layers.roberta import RobertaTower

torch.set_num_threads(1)
TINY = RobertaTextConfig(vocab=40, width=8, depth=3, heads=2, max_tokens=10, dropout=0.0)


def randomise(module, seed=0, scale=0.4):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * scale
            parameter.copy_(drawn.to(parameter.dtype))
    return module.eval()


def sample():
    """Three texts of 6 tokens, the first of which has 4."""
    ids, mask = (
        torch.randint(5, 40, (3, 6), generator=torch.Generator().manual_seed(0)),
        torch.ones(3, 6, dtype=torch.long),
    )
    mask[0, 4:] = 0
    return ids.masked_fill(mask == 0, 1), mask


@pytest.mark.parametrize("padded", [False, True])
def test_roberta_equals_transformers_bit_by_bit(padded, tmp_path):
    torch.manual_seed(0)
    sizes = RobertaConfig(
        vocab_size=60,
        hidden_size=32,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=22,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    theirs = RobertaModel(sizes, add_pooling_layer=False).eval()
    theirs.save_pretrained(tmp_path)
    tower = RobertaTower(RobertaTextConfig(pretrained=str(tmp_path))).eval()
    ids, mask = torch.randint(3, 60, (4, 20)), torch.ones(4, 20, dtype=torch.long)
    if padded:
        for row, length in enumerate((20, 7, 1, 12)):
            mask[row, length:] = 0
        ids[mask == 0] = sizes.pad_token_id
    assert torch.equal(tower(ids, mask), theirs(input_ids=ids, attention_mask=mask).last_hidden_state)


def test_roberta_has_the_size_of_roberta_base_and_learns_with_dropout():
    with torch.device("meta"):
        assert sum(p.numel() for p in RobertaTower(RobertaTextConfig()).parameters()) == 124_055_040
    tower = RobertaTower(replace(TINY, dropout=0.5)).train()
    ids, mask = sample()
    assert not torch.equal(tower(ids, mask), tower(ids, mask))


def test_roberta_takes_padding_from_the_mask_whatever_its_id():
    tower = randomise(RobertaTower(TINY))
    ids, mask = sample()
    other = ids.masked_fill(mask == 0, 7)
    torch.testing.assert_close(tower(ids, mask)[0, :4], tower(other, mask)[0, :4], rtol=0, atol=0)
    torch.testing.assert_close(tower(ids, mask)[0, :4], tower(ids[:1, :4], mask[:1, :4])[0])


def test_distilbert_equals_transformers_bit_by_bit(tmp_path):
    torch.manual_seed(0)
    theirs = DistilBertModel(DistilBertConfig(vocab_size=50, dim=24, hidden_dim=96, n_layers=2, n_heads=3)).eval()
    theirs.save_pretrained(tmp_path)
    tower = TextTower(TextConfig(pretrained=str(tmp_path))).eval()
    ids, mask = torch.randint(5, 50, (3, 9)), torch.ones(3, 9, dtype=torch.long)
    mask[1, 4:] = 0
    assert torch.equal(tower(ids, mask), theirs(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0])


def test_missing_text_weights_are_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"text weights .*nothing") as raised:
        RobertaTower(RobertaTextConfig(pretrained=str(tmp_path / "nothing")))
    assert "\n" not in str(raised.value)
