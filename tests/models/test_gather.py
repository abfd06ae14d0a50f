"""Several gloo ranks give the loss and the gradient of one process with the whole batch."""

import gc

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from models.gather import gather
from models.losses import egonce

ROWS, WIDTH, CLASSES = 12, 6, 4


def whole_batch():
    generator = torch.Generator().manual_seed(0)
    text, video = (torch.randn(ROWS, WIDTH, generator=generator) for _ in range(2))
    verbs, nouns = (torch.rand(ROWS, CLASSES, generator=generator) < 0.4 for _ in range(2))
    valid = torch.ones(ROWS, dtype=torch.bool)
    valid[5] = valid[6] = valid[11] = False  # unequal numbers of valid rows on the ranks
    return text, video, verbs, nouns, valid


class Towers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.text, self.video = torch.nn.Linear(WIDTH, 5), torch.nn.Linear(WIDTH, 5)

    def forward(self, text, video):
        return self.text(text), self.video(video)


def step(model, rows):
    """Loss and gradients of one step; rows is this rank's slice of the batch."""
    text, video, verbs, nouns, valid = (part[rows] for part in whole_batch())
    text, video = model(text, video)
    loss = egonce(*(gather(part) for part in (text, video, verbs, nouns, valid)))
    loss.backward()
    return loss.item(), [parameter.grad for parameter in model.parameters()]


def one_rank(rank, world, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
    share = ROWS // world
    result = step(DistributedDataParallel(Towers()), slice(rank * share, (rank + 1) * share))
    torch.save(result, folder / f"{rank}.pt")
    gc.collect()  # the wrapper is in a cycle and holds the group: freed after it, gloo aborts now and then
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_equal_one_process(world, tmp_path):
    expected_loss, expected = step(Towers(), slice(None))
    mp.spawn(one_rank, (world, tmp_path), nprocs=world)
    for rank in range(world):
        loss, gradients = torch.load(tmp_path / f"{rank}.pt")
        assert loss == pytest.approx(expected_loss, rel=1e-5)
        torch.testing.assert_close(gradients, expected, rtol=1e-4, atol=1e-6)


def test_without_a_group_it_is_the_identity():
    rows = torch.randn(3, 2)
    assert gather(rows) is rows
