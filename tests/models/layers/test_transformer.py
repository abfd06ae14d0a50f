"""Attention with bounded logits and attention pooling against loops and plain formulas in float64."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint

from egocurate.models.layers.pooling import AttentionPool
from egocurate.models.layers.transformer import (
    Mlp,
    SelfAttention,
    TransformerBlock,
    capped_attention,
    lean_capped_attention,
)

torch.set_num_threads(1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randomise(module, seed=0, size=0.2):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(seed := seed + 1)) * size)
    return module.eval()


@pytest.mark.parametrize("cap", [0.5, 50.0])
def test_capped_attention_equals_loop(cap):
    q, k, v = torch.randn(3, 2, 3, 5, 4, dtype=torch.float64, generator=seeded()) * 2
    mask = torch.rand(2, 1, 5, 5, generator=seeded()) < 0.6
    mask |= torch.eye(5, dtype=torch.bool)
    expected = torch.zeros_like(v)
    for b, h, i in np.ndindex(2, 3, 5):
        keys = [j for j in range(5) if mask[b, 0, i, j]]
        weights = [math.exp(cap * math.tanh(float(q[b, h, i] @ k[b, h, j]) / math.sqrt(4) / cap)) for j in keys]
        expected[b, h, i] = sum(w * v[b, h, j] for w, j in zip(weights, keys, strict=True)) / sum(weights)
    torch.testing.assert_close(capped_attention(q, k, v, cap, mask), expected)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_lean_capped_attention_is_the_same_and_keeps_no_logits(kind):
    length, width, rows = 64, 8, 2 * 3
    mask = torch.rand(2, 1, length, length, generator=seeded()) < 0.6
    mask |= torch.eye(length, dtype=torch.bool)
    found = []
    for attend in (capped_attention, lean_capped_attention):
        q, k, v = torch.randn(3, 2, 3, length, width, generator=seeded()).to(kind).requires_grad_().unbind()
        kept = {}

        def note(x, kept=kept):
            kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
            return x

        with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
            out = attend(q, k, v, 5.0, mask)
        found.append((out, *torch.autograd.grad(out.square().sum(), (q, k, v)), sum(kept.values())))
    *whole, much = found[0]
    *lean, little = found[1]
    for one, other in zip(whole, lean, strict=True):
        assert torch.equal(one, other)
    assert much > 2 * rows * length * length * 4
    assert little <= 3 * rows * length * width * kind.itemsize + mask.nbytes


@pytest.mark.parametrize("shape", [None, (5, 1, 6, 6), (6, 6)])
def test_lean_capped_attention_has_few_logits_at_once(shape, monkeypatch):
    q, k, v = torch.randn(3, 5, 3, 6, 8, generator=seeded()).requires_grad_().unbind()
    mask = None if shape is None else (torch.rand(shape, generator=seeded()) < 0.6) | torch.eye(6, dtype=torch.bool)
    expected = torch.autograd.grad(capped_attention(q, k, v, 5.0, mask).square().sum(), (q, k, v))
    rows = []
    noted = lambda q, *rest: rows.append(len(q)) or capped_attention(q, *rest)  # noqa: E731
    monkeypatch.setattr("egocurate.models.layers.transformer.capped_attention", noted)
    monkeypatch.setattr("egocurate.models.layers.transformer.MOST_LOGITS", 2 * 3 * 6 * 6)
    found = torch.autograd.grad(lean_capped_attention(q, k, v, 5.0, mask).square().sum(), (q, k, v))
    torch.testing.assert_close(found, expected)
    assert sorted(rows) == [1, 1, 2, 2, 2, 2]  # forward, and once more backward


def test_uncapped_attention_needs_no_key_bias():
    plain, capped = SelfAttention(8, 2), SelfAttention(8, 2, cap=1e6)
    randomise(capped)
    report = plain.load_state_dict(capped.state_dict(), strict=False)
    assert report.unexpected_keys == ["k_bias"]
    x = torch.randn(2, 5, 8, generator=seeded())
    # A cap that never binds is none; float32's tanh near 0 loses what 1e6 multiplies.
    torch.testing.assert_close(plain.double()(x.double()), capped.double()(x.double()), atol=1e-8, rtol=1e-8)


def test_pool_equals_attention_of_one_query():
    pool = randomise(AttentionPool(12, 3, 24)).double()
    x = torch.randn(2, 7, 12, dtype=torch.float64, generator=seeded())
    scale = torch.log1p(pool.scale.exp()) / math.log(2) / math.sqrt(8)
    q = pool.q(pool.query).view(1, 1, 3, 8).transpose(1, 2) * scale
    k, v = (part(x).view(2, 7, 3, 8).transpose(1, 2) for part in (pool.k, pool.v))
    out = torch.softmax(q @ k.transpose(2, 3), dim=-1) @ v
    torch.testing.assert_close(pool(x), pool.proj(out.transpose(1, 2).reshape(2, 24)))


@pytest.mark.slow
def test_lean_attention_compiles_whole_in_layers_that_are_themselves_worked_out_again(monkeypatch):
    """As activation_checkpointing does to them on a GPU."""
    lean = partial(checkpoint, capped_attention, use_reentrant=False, preserve_rng_state=False)
    monkeypatch.setattr("egocurate.models.layers.transformer.capped_attention", lean)
    block = randomise(TransformerBlock(SelfAttention(8, 2, cap=5.0), Mlp(8)))
    x = torch.randn(2, 5, 8, generator=seeded())

    def step(x):
        return checkpoint(block, x, use_reentrant=False).square().sum()

    expected = torch.autograd.grad(step(x), block.parameters())
    found = torch.autograd.grad(torch.compile(step, fullgraph=True, backend="aot_eager")(x), block.parameters())
    torch.testing.assert_close(found, expected)
