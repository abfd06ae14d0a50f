"""Plain PyTorch: a small model learns the verbs of the clips; stopped and started again, it goes on where it was.

python examples/plain.py demo/egoclip/shards out
torchrun --standalone --nproc-per-node 2 examples/plain.py demo/egoclip/shards out
"""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from egocurate.loaders import normalize, prefetch, stream

FRAMES, EPOCHS = 4, 2


def main(shards: str, out: Path) -> None:
    """Train, with a checkpoint after each epoch."""
    parallel = "RANK" in os.environ
    if parallel:
        dist.init_process_group()
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if on_gpu else torch.device("cpu")

    data = stream(shards, batch_size=8, preset="egovlp", frames=FRAMES, size=64)  # rank and world are found
    model = nn.Sequential(
        nn.AdaptiveAvgPool3d((3, 8, 8)), nn.Flatten(), nn.Linear(FRAMES * 3 * 64, data.index.num_verbs)
    ).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    saved = out / "checkpoint.pt"
    if saved.exists():
        state = torch.load(saved, map_location=device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        data.load_state_dict(state["data"])
    network = DistributedDataParallel(model) if parallel else model

    for epoch in range(data.state_dict()["epoch"], EPOCHS):
        for batch in prefetch(data.epoch(epoch), device):
            loss = nn.functional.binary_cross_entropy_with_logits(network(normalize(batch.frames)), batch.verbs.float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if not parallel or dist.get_rank() == 0:
            print(f"epoch {epoch}: {len(data)} steps, loss {loss.item():.3f}")
            states = {"model": model, "optimizer": optimizer, "data": data}
            torch.save({name: part.state_dict() for name, part in states.items()}, saved)
    if parallel:
        dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
