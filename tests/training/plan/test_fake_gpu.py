"""The GPU that is not there: it is caught where a real one would be, and casts as CUDA does."""

import re
from pathlib import Path

import pytest
import torch

from egocurate.training.plan import cuda_autocast
from tests.training.plan import fake_runs

HEADER = Path(torch.__file__).parent / "include" / "ATen" / "autocast_mode.h"


@pytest.mark.slow
@pytest.mark.parametrize("planted", [fake_runs.learn_with_a_mean_on_the_host, fake_runs.learn_with_a_layer_left_behind])
def test_a_tensor_on_the_wrong_device_is_caught(apart, planted):
    with pytest.raises(RuntimeError, match=r"same device.*(cpu and fakegpu|fakegpu:0 and cpu)"):
        apart(planted)


EVERY_TIME = ("item", "nothing", "tensor")


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=() if what in EVERY_TIME else pytest.mark.slow) for what in fake_runs.DONE]
)
def test_what_makes_the_host_wait_is_noted(apart, what):
    waits = apart(fake_runs.learn_and, what)
    if what in ("nothing", "new", "host"):
        assert not waits
    else:
        assert len(waits) == 1


def test_autocast_gives_what_it_gives_on_cuda(apart):
    inside, kernel, outside = apart(fake_runs.dtypes_under_autocast)
    wide = {"layer_norm", "softmax", "sum", "addcmul"}
    expected = {name: torch.float32 if name in wide else torch.bfloat16 for name in inside}
    assert inside == expected | {"double": torch.float64}
    assert kernel == "ScaledDotProductFlashAttentionBackward0"
    assert outside == torch.float32


@pytest.mark.parametrize(
    ("macro", "ours"),
    [
        ("AT_FORALL_LOWER_PRECISION_FP", cuda_autocast.LOWER),
        ("AT_FORALL_FP32", cuda_autocast.FLOAT32),
        ("AT_FORALL_FP32_SET_OPT_DTYPE", cuda_autocast.FLOAT32_RESULT),
        ("AT_FORALL_PROMOTE", cuda_autocast.WIDEST),
    ],
)
def test_the_lists_are_those_of_the_torch_that_is_installed(macro, ours):
    body = re.search(rf"#define {macro}\(_\)((?:.*\\\n)*.*)\n", HEADER.read_text())[1]
    listed = {".".join(names.split(", ")) for names in re.findall(r"_\((\w+(?:, \w+)?)\)", body)}
    cells = {name for name in listed if name.endswith("_cell")}
    assert set(ours.split()) == listed - cells
    assert len(list(cuda_autocast.operations(ours))) == len(listed - cells)
