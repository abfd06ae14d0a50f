"""Several gloo ranks give the loss and the gradient of one process with the whole batch."""

import gc

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from egocurate.models.all_gather import find_routes, gather, local_rows, mean_over_ranks
from egocurate.models.egovlpv2.masking_and_matching import mlm_loss, vtm_loss
from egocurate.models.losses.egonce import egonce
from egocurate.models.losses.egonce_plus import egonce_plus
from egocurate.models.losses.info_nce import info_nce
from egocurate.models.losses.max_margin import max_margin
from egocurate.models.losses.pairs import egonce_pairs
from egocurate.models.losses.sigmoid import sigmoid_loss

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


@pytest.mark.slow
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


def losses(model, rows):
    """Every loss of local rows against the gathered batch, each with its gradients; rows: this rank's slice."""
    tags = whole_batch()
    altered = torch.randn(ROWS, 3, 5, generator=torch.Generator().manual_seed(2))
    relevance = torch.rand(ROWS, generator=torch.Generator().manual_seed(3))
    hidden = torch.arange(ROWS) % 4 != 0  # unequal numbers of hidden tokens on the ranks
    text, video, verbs, nouns, valid = (part[rows] for part in tags)
    ours = local_rows(len(text))
    tags = verbs, nouns, valid = [gather(part) for part in (verbs, nouns, valid)]

    def of_pairs(text, video):
        a, b = gather(text), gather(video)
        yield egonce(a, b, *tags, rows=ours)
        yield info_nce(a, b, valid, rows=ours)
        yield egonce_plus(a, b, gather(altered[rows]), nouns, valid, rows=ours)
        scale = torch.tensor(10.0), torch.tensor(-10.0)
        yield sigmoid_loss(a, b, egonce_pairs(verbs, nouns, valid, rows=ours), *scale, valid, rows=ours)
        yield max_margin(a, b, gather(relevance[rows]), rows=ours)
        chosen = hidden[rows]
        yield mlm_loss(text[chosen], torch.full((int(chosen.sum()),), 2))
        yield vtm_loss(text[:, :2], verbs[ours][:, 0].long(), valid[ours])
        partners = torch.tensor([(7 * i + 3) % ROWS for i in range(ROWS)])[rows]  # of other ranks, some of them twice
        to_half, to_all = find_routes(len(video), partners // 2, partners)  # both at once
        yield mean_over_ranks((to_half.fetch(video) * to_all.fetch(text)).sum(1).square())

    results = []
    for index in range(8):
        model.zero_grad()
        loss = list(of_pairs(*model(text, video)))[index]
        loss.backward()
        results.append((loss.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    return results


def one_rank_of_losses(rank, world, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
    share = ROWS // world
    results = []
    for loss, gradients in losses(Towers(), slice(rank * share, (rank + 1) * share)):
        for part in (loss, *gradients):  # as DistributedDataParallel does
            dist.all_reduce(part)
            part /= world
        results.append((loss.item(), gradients))
    torch.save(results, folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
def test_local_rows_of_four_ranks_equal_one_process(tmp_path):
    expected = losses(Towers(), slice(None))
    mp.spawn(one_rank_of_losses, (4, tmp_path), nprocs=4)
    for rank in range(4):
        results = torch.load(tmp_path / f"{rank}.pt")
        for (loss, gradients), (expected_loss, expected_gradients) in zip(results, expected, strict=True):
            assert loss == pytest.approx(expected_loss.item(), rel=1e-5)
            assert any(gradient.abs().max() > 1e-3 for gradient in gradients)
            torch.testing.assert_close(gradients, expected_gradients, rtol=1e-4, atol=1e-6)


def test_without_a_group_a_route_picks_rows():
    rows = torch.randn(4, 2, requires_grad=True)
    (route,) = find_routes(4, torch.tensor([3, 0, 3]))
    route.fetch(rows).sum().backward()
    assert rows.grad[:, 0].tolist() == [1, 0, 0, 2]
