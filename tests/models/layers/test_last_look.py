import pytest
import torch
from torch import nn

from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.classifier.model import Classifier
from egocurate.models.layers.attention import split_heads
from egocurate.models.layers.configs import VideoConfig
from egocurate.models.layers.last_look import last_look
from egocurate.models.layers.pooling import AttentionPool
from egocurate.models.layers.transformer import SelfAttention
from egocurate.models.layers.video_tower import VideoTower
from egocurate.models.videomae.config import VideoMAEConfig

FRAMES = torch.randn(2, 4, 3, 32, 32)


def mixed(module, tokens):
    """What an attention without its last map gives of values that are the identity: the weights themselves."""
    values = torch.eye(tokens.shape[1]).expand(len(tokens), module.heads, -1, -1)
    q, k, _ = split_heads(module.qkv(tokens), module.heads, 3)
    return nn.functional.scaled_dot_product_attention(q, k, values)


@pytest.mark.parametrize("attention", ["divided", "joint"])
def test_cls_of_a_video_tower_reads_all_tokens(attention):
    tower = VideoTower(VideoConfig(image=32, patch=16, width=32, depth=2, heads=2, attention=attention)).eval()
    given = []
    tower.blocks[-1].attn.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0]))
    weights, reader = last_look(tower, lambda: tower(FRAMES))
    assert reader == "[CLS]" and weights.shape == (2, 1 + 4 * 4)
    torch.testing.assert_close(weights, mixed(tower.blocks[-1].attn, given[0])[:, :, 0].mean(1))


def test_a_map_head_is_what_reads_and_without_one_all_tokens_do():
    sizes = VideoMAEConfig.tiny()
    for head, reader in (("map", "the query"), ("mean", "all tokens")):
        model = Classifier(ClassifierConfig(sizes, head, head_channels=16), {"label": 3}).eval()
        weights, found = last_look(model, lambda model=model: model.features(FRAMES))
        assert found == reader and weights.shape == (2, sizes.slots * sizes.places)
        torch.testing.assert_close(weights.sum(1), torch.ones(2))


@pytest.mark.parametrize("cap", [0.0, 5.0])
def test_all_tokens_read_as_the_layer_mixes(cap):
    """With one head the mean over readers of what the layer gives is what the mean of their weights gives."""
    layer, tokens = SelfAttention(16, 1, cap), torch.randn(2, 6, 16)
    nn.init.normal_(layer.q_bias)
    value = layer._heads_of(tokens)[2][:, 0]
    mean = layer.proj((layer.looks_at(tokens)[:, :, None] * value).sum(1))
    torch.testing.assert_close(layer(tokens).mean(1), mean)


def test_a_query_that_pools_reads_as_it_mixes():
    pool, tokens = AttentionPool(16, 1, 16), torch.randn(2, 6, 16)
    nn.init.normal_(pool.query)
    mean = (pool.looks_at(tokens)[:, :, None] * tokens).sum(1)
    torch.testing.assert_close(pool(tokens), pool.proj(pool.v(mean)))


def test_a_model_without_such_attention_is_refused():
    with pytest.raises(ValueError, match="no attention of this model"):
        last_look(nn.Linear(2, 2), lambda: None)
