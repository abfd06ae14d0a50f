"""Lightning: the stream is the train_dataloader, and its place is in Lightning's own checkpoints.

python examples/lightning_loop.py demo/egoclip/shards out [CHECKPOINT]
"""

import sys

import lightning
import torch
from torch import nn

from egocurate.loaders import Batch, ShardIndex, Stream, normalize, stream

FRAMES = 4


class Verbs(lightning.LightningModule):
    """A small model that learns the verbs of the clips."""

    def __init__(self, shards: str) -> None:
        """Make the model; the stream waits until Lightning has started its processes."""
        super().__init__()
        self.shards = shards
        num_verbs = ShardIndex.open(shards).num_verbs
        self.head = nn.Sequential(nn.AdaptiveAvgPool3d((3, 8, 8)), nn.Flatten(), nn.Linear(FRAMES * 3 * 64, num_verbs))

    def train_dataloader(self) -> Stream:
        """Return this rank's stream: it shares the batches out itself, Lightning adds no sampler."""
        return stream(self.shards, batch_size=8, preset="egovlp", frames=FRAMES, size=64)

    def training_step(self, batch: Batch, _number: int) -> torch.Tensor:
        """Return the loss of a batch."""
        return nn.functional.binary_cross_entropy_with_logits(self.head(normalize(batch.frames)), batch.verbs.float())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def main(shards: str, out: str, checkpoint: str | None = None) -> None:
    """Train for two epochs, or on from a checkpoint."""
    trainer = lightning.Trainer(
        max_epochs=2,
        default_root_dir=out,
        use_distributed_sampler=False,
        logger=False,
        enable_progress_bar=False,
    )
    trainer.fit(Verbs(shards), ckpt_path=checkpoint)
    print(f"{trainer.global_step} steps")


if __name__ == "__main__":
    main(*sys.argv[1:])
