"""What NCCL, gloo, CUDA and torch's rendezvous say when they fail, and what a user can do about each.

Their own words stay in the message: they name the interface, the GPU or the peer. Texts are as the libraries write them
(gloo: transport/tcp, NCCL: its "Last error", torch: c10d and CUDA), patterns are parts that do not change.
"""

from __future__ import annotations

import re

_WAYS_OUT = {
    r"Duplicate GPU detected": (
        "two ranks have one GPU: start as many ranks on a machine as it has GPUs (torchrun --nproc-per-node), and let "
        "CUDA_VISIBLE_DEVICES name each once"
    ),
    r"invalid device ordinal|device >= 0 && device < num_gpus": (
        "a rank has no GPU: start as many ranks on a machine as it has GPUs (torchrun --nproc-per-node), and look at "
        "CUDA_VISIBLE_DEVICES"
    ),
    r"CUDA-capable devices? (?:is|are) busy or unavailable": (
        "another process has the GPU for itself (compute mode exclusive): end it, or take another GPU"
    ),
    r"no kernel image is available": "this torch is built for other GPUs: install one for this GPU",
    r"have NCCL built in|ProcessGroupNCCL is only (?:supported|available)": (
        "this torch cannot bring GPUs together: install one that is built for CUDA, or --set device=cpu"
    ),
    r"Unable to find (?:address|interface) for|no socket interface found": (
        "no network interface has this name: set GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME to one that "
        "`ip -br address` lists on this machine, or leave them unset"
    ),
    r"connectFullMesh failed|Unable to resolve hostname|unsupported gloo device": (
        "the ranks do not reach each other under the addresses that their machines have for themselves: set "
        "GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME to the interface that joins them"
    ),
    r"shared memory segment": (
        "/dev/shm is too small or full: give a container more (docker run --shm-size=8g or --ipc=host)"
    ),
    r"[Aa]ddress already in use|EADDRINUSE": "give torchrun another --rdzv-endpoint HOST:PORT",
    r"Too many open files": "raise the limit of open files (ulimit -n 65536) in the shell that starts the ranks",
}
_KNOWN = [(re.compile(pattern), way_out) for pattern, way_out in _WAYS_OUT.items()]

_GPU_MEMORY = re.compile(r"Cuda failure.*out of memory|CUDA error: out of memory|CU[A-Z]+_STATUS_ALLOC_FAILED")
_BETWEEN_RANKS = re.compile(r"gloo|NCCL|nccl[A-Z]|TCPStore")
_PEER_GONE = re.compile(
    r"[Cc]onnection (?:was likely )?(?:closed|reset|refused)|Broken pipe|Socket closed|got 0 bytes"
    r"|remote process exited|ncclRemoteError|[Tt]imed? ?out|timing out"
)


def known_failure(said: str) -> str | None:
    """Return the library's line and the way out for a text of one that is known; None for any other."""
    for pattern, way_out in _KNOWN:
        line = line_of(said, pattern)
        if line:
            return f"{line}: {way_out}"
    return None


def gpu_memory_line(said: str) -> str | None:
    """Return the line in which a library, not torch's allocator, says that a GPU has no memory left; None if none."""
    return line_of(said, _GPU_MEMORY)


def peer_gone_line(said: str) -> str | None:
    """Return the line in which a library says that another rank does not answer; None if it says something else."""
    return line_of(said, _PEER_GONE)


def is_between_ranks(said: str) -> bool:
    """Tell whether a text is of a library that joins ranks."""
    return _BETWEEN_RANKS.search(said) is not None


def line_of(said: str, pattern: re.Pattern[str]) -> str | None:
    """Return the line of a text in which a pattern is, as it is but for spaces around it; None if none has it."""
    return next((line.strip() for line in said.splitlines() if pattern.search(line)), None)
