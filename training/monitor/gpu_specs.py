"""What GPUs can do and hold, from their makers' data sheets and white papers: the one table of them."""

from __future__ import annotations

import re
from typing import NamedTuple

from egocurate.errors import InputError


class GpuSpec(NamedTuple):
    """Peaks in TFLOP/s, and the sizes of memory that it is sold with.

    bf16: tensor cores, sums in fp32, no sparsity; 0: it has no such cores. fp32: without TF32.
    """

    bf16_tflops: float
    fp32_tflops: float
    memory_gib: tuple[int, ...]
    processors: int = 0
    """multiprocessors of the whole device, where it can be cut in slices (MIG)"""


# Keys: the device's name without maker and memory. What a plan asks for by a part of a name is the first that has it.
GPUS: dict[str, GpuSpec] = {
    "B200": GpuSpec(2250, 75, (180,), 148),
    "B300 SXM6 AC": GpuSpec(2250, 75, (262,)),
    "GB200": GpuSpec(2500, 80, (186,), 152),
    "GB300": GpuSpec(2500, 80, (278,)),
    "GH200": GpuSpec(989.4, 67, (96, 144), 132),
    "H200": GpuSpec(989.4, 67, (141,), 132),
    "H200 NVL": GpuSpec(835.5, 60, (141,), 132),
    "H100": GpuSpec(989.4, 67, (80,), 132),
    "H100 NVL": GpuSpec(835.5, 60, (94,), 132),
    "H100 PCIE": GpuSpec(756, 51, (80,), 114),
    "H20": GpuSpec(148, 44, (96,)),
    "A100 SXM4": GpuSpec(312, 19.5, (80, 40), 108),
    "A100 PCIE": GpuSpec(312, 19.5, (80, 40), 108),
    "A800 SXM4": GpuSpec(312, 19.5, (80, 40)),
    "A30": GpuSpec(165, 10.3, (24,), 56),
    "A40": GpuSpec(149.7, 37.4, (48,)),
    "A10": GpuSpec(125, 31.2, (24,)),
    "L40S": GpuSpec(362.05, 91.6, (48,)),
    "L40": GpuSpec(181.05, 90.5, (48,)),
    "L4": GpuSpec(121, 30.3, (24,)),
    "V100 SXM2": GpuSpec(0, 15.7, (32, 16)),
    "V100 PCIE": GpuSpec(0, 14, (32, 16)),
    "T4": GpuSpec(0, 8.1, (16,)),
    "RTX A6000": GpuSpec(154.8, 38.7, (48,)),
    "RTX 6000 ADA GENERATION": GpuSpec(364.2, 91.1, (48,)),
    "RTX PRO 6000 BLACKWELL WORKSTATION EDITION": GpuSpec(503.8, 126, (96,)),
    "RTX PRO 6000 BLACKWELL MAX Q WORKSTATION EDITION": GpuSpec(438.9, 109.7, (96,)),
    "RTX PRO 6000 BLACKWELL SERVER EDITION": GpuSpec(480, 120, (96,)),
    "RTX 3090": GpuSpec(71, 35.6, (24,)),
    "RTX 4090": GpuSpec(165.2, 82.6, (24,)),
    "RTX 5090": GpuSpec(209.5, 104.8, (32,)),
    "MI300X": GpuSpec(1307.4, 163.4, (192,)),
}


class Gpu(NamedTuple):
    """A GPU of a plan: its name in the table, peaks in TFLOP/s and memory."""

    name: str
    bf16_tflops: float
    fp32_tflops: float
    memory_gib: int

    @property
    def bf16(self) -> bool:
        """Whether it has cores for bf16."""
        return self.bf16_tflops > 0

    @property
    def flops(self) -> float:
        """FLOP/s that it has at most in the precision that a run takes on it."""
        return (self.bf16_tflops or self.fp32_tflops) * 1e12


def peak_flops(name: str, bf16: bool, processors: int = 0) -> float:
    """Return the FLOP/s that a device of this name has at most; 0 where it is not known.

    processors: its multiprocessors, by which a slice of a device (MIG) has its share of the whole.
    """
    words = [word for word in _words(name) if not _GIBIBYTES.fullmatch(word)]
    is_slice = "MIG" in words
    spec = GPUS.get(" ".join(words[: words.index("MIG")] if is_slice else words))
    if spec is None:
        return 0.0
    peak = (spec.bf16_tflops if bf16 else spec.fp32_tflops) * 1e12
    if not is_slice:
        return peak
    return peak * processors / spec.processors if spec.processors else 0.0


def find_gpu(text: str) -> Gpu:
    """Return the GPU that a person means by h200, a100-40, 4090 or "rtx 6000"; raises InputError that names them all.

    A number of gigabytes after the name, where it is sold with several, takes that one and not the largest.
    """
    words = _words(text)
    for name, spec in GPUS.items():
        memory = next((gib for gib in spec.memory_gib if words[1:] and words[-1] in (f"{gib}", f"{gib}GB")), None)
        named = set(words if memory is None else words[:-1])
        if named and named <= set(name.split()):
            return Gpu(name, spec.bf16_tflops, spec.fp32_tflops, memory or spec.memory_gib[0])
    known = ", ".join(name.lower().replace(" ", "-") for name in GPUS)
    raise InputError(f"--gpu {text}: is not known; there are {known} (a part of a name will do, and a100-40)")


_GIBIBYTES = re.compile(r"\d+GB")
_NOT_IN_NAMES = re.compile(r"|NVIDIA|AMD|TESLA|GEFORCE|INSTINCT|HBM\w+")


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\s-]+", name.upper()) if not _NOT_IN_NAMES.fullmatch(word)]
