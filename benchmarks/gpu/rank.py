"""One of two ranks that share a device: `python -m benchmarks.gpu.rank BACKEND PORT RANK ARGUMENTS-OF-TRAIN...`."""

from __future__ import annotations

import os
import sys

import torch.distributed as dist

from egocurate.commands.curate import main

if __name__ == "__main__":
    backend, port, rank, *arguments = sys.argv[1:]
    os.environ |= {"LOCAL_RANK": "0", "RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    if backend == "gloo":  # training takes NCCL for what is on a GPU, and NCCL wants one GPU for each rank
        init = dist.init_process_group
        dist.init_process_group = lambda *_, **settings: init("gloo", **settings)
    main(["train", *arguments])
