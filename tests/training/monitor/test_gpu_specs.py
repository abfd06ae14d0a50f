"""The table of GPUs: peaks by the names that drivers give, and what people mean by the names that they give."""

import pytest

from egocurate.errors import InputError
from egocurate.training.monitor.gpu_specs import GPUS, find_gpu, peak_flops


@pytest.mark.parametrize(
    ("name", "bf16", "fp32"),
    [
        ("NVIDIA H200", 989.4, 67),
        ("NVIDIA H100 80GB HBM3", 989.4, 67),
        ("NVIDIA H100 PCIe", 756, 51),
        ("NVIDIA A100-SXM4-80GB", 312, 19.5),
        ("NVIDIA A100 80GB PCIe", 312, 19.5),
        ("NVIDIA A10", 125, 31.2),
        ("Tesla V100-SXM2-32GB", 0, 15.7),
        ("NVIDIA GeForce RTX 4090", 165.2, 82.6),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 0, 0),
        ("NVIDIA H200 MIG 1g.18gb", 0, 0),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 503.8, 126),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", 438.9, 109.7),
        ("NVIDIA GB200", 2500, 80),
        ("NVIDIA B300 SXM6 AC", 2250, 75),
        ("NVIDIA A10G", 0, 0),
        ("", 0, 0),
    ],
)
def test_peaks_by_name(name, bf16, fp32):
    assert (peak_flops(name, True), peak_flops(name, False)) == (bf16 * 1e12, fp32 * 1e12)


def test_a_slice_has_its_share_of_the_whole():
    assert peak_flops("NVIDIA H200 MIG 1g.18gb", True, 16) == pytest.approx(989.4e12 * 16 / 132)
    assert peak_flops("NVIDIA A100-SXM4-80GB MIG 3g.40gb", False, 42) == pytest.approx(19.5e12 * 42 / 108)
    assert peak_flops("NVIDIA L40S MIG 1g.6gb", True, 16) == 0  # it has no slices


def test_a_peak_has_cores_for_bf16_or_none():
    assert all(bf16 == 0 or bf16 >= fp32 for bf16, fp32, *_ in GPUS.values())


@pytest.mark.parametrize(
    ("text", "name", "memory_gib"),
    [
        ("h200", "H200", 141),
        ("H100", "H100", 80),
        ("h100-pcie", "H100 PCIE", 80),
        ("a100", "A100 SXM4", 80),
        ("a100-40", "A100 SXM4", 40),
        ("A100 PCIe 40GB", "A100 PCIE", 40),
        ("4090", "RTX 4090", 24),
        ("rtx-6000", "RTX 6000 ADA GENERATION", 48),
        ("rtx-pro-6000", "RTX PRO 6000 BLACKWELL WORKSTATION EDITION", 96),
        ("b200", "B200", 180),
    ],
)
def test_a_gpu_by_a_part_of_its_name(text, name, memory_gib):
    found = find_gpu(text)
    assert (found.name, found.memory_gib) == (name, memory_gib)
    assert found.flops == peak_flops(name, True) > 0


def test_without_cores_for_bf16_a_run_is_planned_in_fp32():
    assert find_gpu("v100").flops == 15.7e12 and not find_gpu("v100").bf16


@pytest.mark.parametrize("text", ["h201", "", "a100-41", "-"])
def test_an_unknown_gpu_is_answered_with_those_that_are_known(text):
    with pytest.raises(InputError, match=r"^--gpu .*is not known; there are .*h200.*a100-sxm4") as said:
        find_gpu(text)
    assert "\n" not in str(said.value)


def test_every_gpu_of_the_table_is_found_by_its_own_name():
    assert [find_gpu(name.lower().replace(" ", "-")).name for name in GPUS] == list(GPUS)
