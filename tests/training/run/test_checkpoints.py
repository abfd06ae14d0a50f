"""Checkpoints are written while training goes on, and are whole or not there."""

import errno
import resource
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint import FileSystemWriter

from egocurate.errors import InputError
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.checkpoints import Checkpoints
from tests.training.ranks import together
from tests.training.runs import run, saved


@pytest.fixture
def alone():
    with Ranks(0, 1, torch.device("cpu"), False).ends as ends:
        yield Ranks(0, 1, torch.device("cpu"), False, ends)


@pytest.fixture
def held(monkeypatch):
    """An event that files wait for before they are written."""
    go, write = threading.Event(), FileSystemWriter.write_data
    monkeypatch.setattr(FileSystemWriter, "write_data", lambda *args: go.wait(30) and write(*args))
    yield go
    go.set()


def learner(config, ranks):
    """A model, a step that changes it, and its checkpoints."""
    torch.manual_seed(0)
    model = nn.Linear(40, 30)
    optimizer = torch.optim.AdamW(model.parameters())

    def step():
        optimizer.zero_grad()
        model(torch.ones(1, 40)).sum().backward()
        optimizer.step()

    return model, step, Checkpoints(config, ranks, model, optimizer)


def names(out):
    return sorted(path.name for path in (out / "checkpoints").iterdir())


def test_training_goes_on_while_a_checkpoint_is_written(tiny, tmp_path, alone, held):
    model, step, checkpoints = learner(replace(tiny, out=str(tmp_path)), alone)
    step()
    weight = model.weight.detach().clone()
    checkpoints.save(1, {"before": {}})
    step()
    assert not torch.equal(model.weight, weight)
    assert names(tmp_path) == ["writing"]
    held.set()
    checkpoints.finish()
    assert names(tmp_path) == ["step-00000001"]
    kept = saved(tmp_path, 1, tmp_path)
    assert torch.equal(kept["/model/weight"], weight)
    assert kept["/optimizer/state/weight/step"] == 1
    assert checkpoints.load(tmp_path / "checkpoints" / "step-00000001") == {"step": 1, "before": {}}
    assert torch.equal(model.weight, weight)


def test_one_is_written_at_a_time(tiny, tmp_path, alone, held):
    _, step, checkpoints = learner(replace(tiny, out=str(tmp_path), keep_checkpoints=1), alone)
    step()
    checkpoints.save(1, {})
    seen = []
    threading.Timer(0.3, lambda: (seen.extend(names(tmp_path)), held.set())).start()
    checkpoints.save(2, {})  # waits for the first
    assert seen == ["writing"]
    checkpoints.finish()
    assert names(tmp_path) == ["step-00000002"]


def test_leaving_a_run_lets_it_finish_what_it_writes(tiny, tmp_path, held):
    with Ranks(0, 1, torch.device("cpu"), False).ends as ends:
        _, step, checkpoints = learner(replace(tiny, out=str(tmp_path)), Ranks(0, 1, torch.device("cpu"), False, ends))
        step()
        checkpoints.save(1, {})
        threading.Timer(0.2, held.set).start()
    assert names(tmp_path) == ["step-00000001"]


@contextmanager
def full_disk(bytes_left=2000):
    """Let no file grow beyond a few bytes, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_what_cannot_be_written_is_one_line_at_the_next(tiny, tmp_path, alone):
    _, step, checkpoints = learner(replace(tiny, out=str(tmp_path)), alone)
    step()
    checkpoints.save(1, {})
    checkpoints.finish()
    with full_disk():
        checkpoints.save(2, {})
        with pytest.raises(
            InputError, match=r"checkpoint of step 2 could not be written to .*File too large"
        ) as raised:
            checkpoints.save(3, {})
    assert "\n" not in str(raised.value)
    assert names(tmp_path) == ["step-00000001", "writing"]
    checkpoints.save(4, {})
    checkpoints.finish()
    assert names(tmp_path) == ["step-00000001", "step-00000004"]


def test_a_folder_that_cannot_be_made_is_one_line(tiny, tmp_path, alone):
    _, step, checkpoints = learner(replace(tiny, out=str(tmp_path)), alone)
    step()
    (tmp_path / "checkpoints").write_text("in the way")
    with pytest.raises(InputError, match="step 1 could not be written"):
        checkpoints.save(1, {})


def test_the_end_of_a_run_says_what_could_not_be_written(tiny, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileSystemWriter, "write_data", full)
    with pytest.raises(InputError, match=r"step 1 could not be written.*No space left") as raised:
        run(replace(tiny, out=str(tmp_path / "run"), mcq_json="", max_steps=1))
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run" / "result.json").exists()


def one_rank_fails(config, folder):
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    with Ranks(rank, 2, torch.device("cpu"), False).ends as ends:
        _, step, checkpoints = learner(config, Ranks(rank, 2, torch.device("cpu"), False, ends))
        step()
        with full_disk(2000 if rank == 1 else resource.RLIM_INFINITY):
            checkpoints.save(1, {})
            with pytest.raises(InputError, match="File too large"):
                checkpoints.finish()
        assert not (folder / "checkpoints" / "step-00000001").exists()
        checkpoints.save(2, {})
        checkpoints.finish()
        dist.barrier()
        assert (folder / "checkpoints" / "step-00000002" / "run.json").exists()
    dist.destroy_process_group()


def test_all_ranks_say_what_one_could_not_write(tiny, tmp_path):
    together(2, one_rank_fails, replace(tiny, out=str(tmp_path)), tmp_path)
