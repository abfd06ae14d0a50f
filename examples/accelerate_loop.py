"""Accelerate: it prepares model and optimizer, the stream shares out the data, and `save_state` keeps its place.

python examples/accelerate_loop.py demo/egoclip/shards out
accelerate launch --num_processes 2 examples/accelerate_loop.py demo/egoclip/shards out
"""

import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

from egocurate.loaders import normalize, prefetch, stream

FRAMES, EPOCHS = 4, 2


def main(shards: str, out: Path) -> None:
    """Train, with a checkpoint after each epoch."""
    accelerator = Accelerator()  # first: it starts the process group, where the stream finds its rank
    data = stream(shards, batch_size=8, preset="egovlp", frames=FRAMES, size=64)
    model = nn.Sequential(
        nn.AdaptiveAvgPool3d((3, 8, 8)), nn.Flatten(), nn.Linear(FRAMES * 3 * 64, data.index.num_verbs)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model, optimizer = accelerator.prepare(model, optimizer)  # not the stream
    accelerator.register_for_checkpointing(data)
    saved = out / "state"
    if saved.exists():
        accelerator.load_state(str(saved))

    for epoch in range(data.state_dict()["epoch"], EPOCHS):
        for batch in prefetch(data.epoch(epoch), accelerator.device):
            loss = nn.functional.binary_cross_entropy_with_logits(model(normalize(batch.frames)), batch.verbs.float())
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
        accelerator.print(f"epoch {epoch}: {len(data)} steps, loss {loss.item():.3f}")
        accelerator.save_state(str(saved))
    accelerator.end_training()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
