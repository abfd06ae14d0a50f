"""The page on planning: what it says of each recipe, and that it was written from the rates that are there."""

import json

from benchmarks.plan import GPU_NAMES, PAGE, RECIPE_NAMES, page
from egocurate.training.monitor.gpu_specs import find_gpu
from egocurate.training.plan.feed import RATES
from egocurate.training.plan.fit import Fit

GPUS = [find_gpu(name) for name in ("h100", "h200", "4090")]


def test_gpus_on_which_a_recipe_is_as_fast_share_a_row():
    plain, split, none = (
        Fit(True, 1, False, 2**33, 1.0, 0.5e12),
        Fit(True, 4, True, 2**34, 5 / 3, 0.5e12),
        Fit(False, 8, True, 2**36, 5 / 3, 0.5e12),
    )
    text = page({"egovlp": [plain, plain, none], "videomae": [split, plain, split]}, GPUS)
    assert "| egovlp | 8 | 8 | - |" in text
    assert "| videomae | 16, x 4, ckpt | 8 | 16, x 4, ckpt |" in text
    rows = [line.split(" | ")[:3] for line in text.splitlines() if line.startswith(("| egovlp, ", "| videomae, "))]
    assert rows == [
        ["| egovlp, 0.500", "H100 80, H200 141", "594-792"],
        ["| videomae, 0.500", "H100 80", "356-475"],
        ["| videomae, 0.500", "H200 141", "594-792"],
        ["| videomae, 0.500", "RTX 4090 24", "59-79"],
    ]


def test_the_page_is_of_the_rates_that_are_there():
    written, record = PAGE.read_text(), json.loads(RATES.read_text())
    assert f"measured it: {record['machine']}, {record['date']}" in " ".join(written.split())
    for name, one in record["profiles"].items():
        assert f"| {name} | {one['bytes_per_clip'] / 1e3:.0f} kB |" in written
    for recipe in RECIPE_NAMES:
        assert f"| {recipe} | " in written and f"| {recipe}, " in written
    for gpu in map(find_gpu, GPU_NAMES):
        assert gpu.name in written
