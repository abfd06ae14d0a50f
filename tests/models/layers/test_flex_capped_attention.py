"""The fused kernel's formula against the explicit one, and when it is taken. A CPU runs it as it is, or traced."""

from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from torch.nn.attention import flex_attention as flex

from egocurate.models.layers import flex_capped_attention as module
from egocurate.models.layers import transformer
from egocurate.models.layers.flex_capped_attention import flex_capped_attention, has_flex_kernel
from egocurate.models.layers.transformer import SelfAttention, capped_attention

torch.set_num_threads(1)
ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")


@pytest.fixture
def on_cpu(monkeypatch):
    """Let PyTorch work out gradients on a CPU, which it refuses because it has no kernel for them there."""
    monkeypatch.setattr(flex, "_validate_device", lambda *_: None)


def queries(rows=3, heads=2, length=130, width=16, device="cpu", dtype=torch.float32):
    made = torch.randn(3, rows, heads, length, width, generator=torch.Generator().manual_seed(0))
    return [each.requires_grad_() for each in made.to(device, dtype)]


def results(attend, *inputs):
    out = attend(*inputs)
    leaves = [each for each in inputs if isinstance(each, torch.Tensor)]
    return out, *torch.autograd.grad(out.square().sum(), leaves)


@pytest.mark.parametrize("cap", [0.5, 50.0])
def test_it_is_the_explicit_form(on_cpu, cap):
    inputs = (*queries(), cap)
    for one, other in zip(results(flex_capped_attention, *inputs), results(capped_attention, *inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_rows_beyond_cudas_grid_go_in_calls_of_their_own(on_cpu, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 4)  # of two heads: two rows a call
    calls = []
    own = module.flex_attention
    monkeypatch.setattr(
        module, "flex_attention", lambda q, *rest, **more: calls.append(len(q)) or own(q, *rest, **more)
    )
    inputs = (*queries(), 5.0)
    for one, other in zip(results(flex_capped_attention, *inputs), results(capped_attention, *inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert calls == [2, 1]


@pytest.mark.slow
@pytest.mark.parametrize("whole", [True, False], ids=["in a compiled model", "in an eager model"])
def test_a_layer_takes_it_where_there_is_a_kernel(on_cpu, monkeypatch, whole):
    torch.manual_seed(0)
    layer, x = SelfAttention(32, 2, cap=5.0), torch.randn(2, 20, 32)
    expected = results(layer, x.clone().requires_grad_())
    monkeypatch.setattr(transformer, "has_flex_kernel", lambda q, mask: True)
    traced = []

    def backend(graph, inputs):
        traced.append(graph.code)
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    compile = torch.compile
    monkeypatch.setattr(transformer.torch, "compile", lambda function: compile(function, backend=backend))
    transformer._compiled_capped.cache_clear()
    found = results(compile(layer, backend=backend, fullgraph=True) if whole else layer, x.clone().requires_grad_())
    transformer._compiled_capped.cache_clear()
    assert len(traced) == 1 and "flex_attention" in traced[0]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_where_compiling_is_forbidden_the_logits_are_worked_out_again(monkeypatch):
    """As where memory is measured: run as it is, FlexAttention would have all logits at once."""
    monkeypatch.setattr(transformer, "has_flex_kernel", lambda q, mask: True)
    taken = []
    monkeypatch.setattr(transformer, "lean_capped_attention", lambda q, k, v, cap: taken.append(cap) or q)
    with torch.compiler.set_stance("force_eager"):
        SelfAttention(32, 2, cap=5.0)(torch.randn(2, 20, 32))
    assert taken == [5.0]


def q_like(length=256, width=64, device="cuda"):
    return SimpleNamespace(shape=(2, 12, length, width), device=torch.device(device))


def test_it_is_taken_by_capability():
    with (
        mock.patch.object(torch.cuda, "get_device_capability", lambda gpu: (9, 0)),
        mock.patch.object(module, "find_spec", lambda name: name == "triton"),
    ):
        assert has_flex_kernel(q_like(), None) and has_flex_kernel(q_like(length=128), None)
        assert not has_flex_kernel(q_like(length=90), None)
        assert not has_flex_kernel(q_like(width=88), None)
        assert not has_flex_kernel(q_like(device="cpu"), None)
        assert not has_flex_kernel(q_like(), torch.ones(256, 256, dtype=torch.bool))
        with mock.patch.object(torch.cuda, "get_device_capability", lambda gpu: (7, 5)):
            assert not has_flex_kernel(q_like(), None)
        with mock.patch.object(module, "find_spec", lambda name: None):
            assert not has_flex_kernel(q_like(), None)


@pytest.mark.gpu
@ON_GPU
@pytest.mark.parametrize(("dtype", "length"), [(torch.float32, 256), (torch.bfloat16, 256), (torch.bfloat16, 130)])
def test_on_a_gpu_the_kernel_is_the_explicit_form(dtype, length):
    layer = SelfAttention(128, 2, cap=50.0).cuda()
    inputs = (*queries(4, 2, length, 64, "cuda", dtype), 50.0)
    assert has_flex_kernel(inputs[0], None) and layer.cap == inputs[3]
    wide = [each.detach().double().requires_grad_() for each in inputs[:3]]
    expected = results(capped_attention, *wide, 50.0)
    found = results(transformer._compiled_capped(), *inputs)
    explicit = results(capped_attention, *inputs)
    for one, other, exact in zip(found, explicit, expected, strict=True):
        own, theirs = ((each.double() - exact).abs().max() for each in (one, other))
        assert own <= 2 * theirs + 1e-5 * exact.abs().max()
