"""Any number of ranks learns what one process learns, and goes on after being killed at any moment."""

import json
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from egocurate.training.run import training_run
from tests.training.ranks import start, together
from tests.training.runs import rows, run, saved

STEPS, COLUMNS = 10, ("step", "loss", "lr", "mcq_inter", "mcq_intra")


@pytest.fixture(scope="module")
def alone(tiny, tmp_path_factory):
    """A run of ten steps in one process: its config."""
    config = replace(tiny, out=str(tmp_path_factory.mktemp("alone") / "run"), max_steps=STEPS, checkpoint_every=STEPS)
    together(1, run, config)
    return config


def same(ours, theirs):
    for one, two in zip(ours, theirs, strict=True):
        assert [x is None for x in one] == [x is None for x in two]
        assert [x or 0 for x in one] == pytest.approx([x or 0 for x in two], rel=1e-4)


@pytest.mark.parametrize(
    ("size", "change"),
    [
        pytest.param(2, {"micro_batches": 2, "activation_checkpointing": True}, marks=pytest.mark.slow),
        (2, {"parallel": "fsdp", "micro_batches": 2, "activation_checkpointing": True}),
        pytest.param(4, {}, marks=pytest.mark.slow),
        pytest.param(4, {"parallel": "fsdp"}, marks=pytest.mark.slow),
    ],
)
def test_ranks_learn_what_one_process_does(alone, tmp_path, size, change):
    config = replace(alone, out=str(tmp_path / "run"), **change)
    together(size, run, config)
    same(rows(tmp_path / "run", *COLUMNS), rows(Path(alone.out), *COLUMNS))
    ours, theirs = saved(tmp_path / "run", STEPS, tmp_path), saved(Path(alone.out), STEPS, tmp_path)
    assert ours.keys() == theirs.keys()
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-3, atol=2e-5, msg=name)


# Killed at any moment


def recorded(config, number):
    """Train on a slow disk, on from run `number` - 1, and write down which clips each step is given."""
    sync, give = os.fsync, training_run.next_batches

    def slow(file):
        time.sleep(0.05)
        sync(file)

    def next_batches(config, data, *rest):
        for epoch, batch in give(config, data, *rest):
            state, clips = data.state_dict(), batch.sample.tolist()
            step = state["epoch"] * data.steps_per_epoch + state["step"]
            with notes_of(config, number, int(os.environ.get("RANK", 0))).open("a") as file:
                file.write(json.dumps([step, clips[: len(clips) // 2], clips[len(clips) // 2 :]]) + "\n")
            time.sleep(0.02)
            yield epoch, batch

    os.fsync, training_run.next_batches = slow, next_batches
    run(config, resume=number > 0)


def notes_of(config, number, rank):
    return Path(f"{config.out}-{number}-{rank}.jsonl")


def read_notes(config, number, rank):
    path = notes_of(config, number, rank)
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    return [json.loads(line) for line in whole.splitlines()]


def steps_of(config, number, size):
    """What each step of a run was given on all ranks: [step, anchors, negatives], sorted."""
    found = []
    for parts in zip(*(read_notes(config, number, rank) for rank in range(size)), strict=False):
        assert len({step for step, *_ in parts}) == 1
        found.append([parts[0][0], *(sorted(clip for part in parts for clip in part[kind]) for kind in (1, 2))])
    return found


def being_written(config):
    """When the checkpoint that is not whole was begun."""
    try:
        return (Path(config.out) / "checkpoints" / "writing" / "run.json").stat().st_mtime_ns
    except FileNotFoundError:
        return None


def kill(ranks, config, number, moment):
    """Kill all ranks: when so many steps have begun, or with "write" while a checkpoint is being written."""
    before = being_written(config)  # what an earlier kill has left
    while all(rank.is_alive() for rank in ranks):
        time.sleep(0.002)
        if moment != "write":
            if len(read_notes(config, number, 0)) >= moment:
                break
        elif being_written(config) not in (before, None):
            for rank in ranks:
                os.kill(rank.pid, signal.SIGSTOP)
            if being_written(config) not in (before, None):
                break
            for rank in ranks:
                os.kill(rank.pid, signal.SIGCONT)
    for rank in ranks:
        os.kill(rank.pid, signal.SIGKILL)
    for rank in ranks:
        rank.join(60)
    assert [rank.exitcode for rank in ranks] == [-signal.SIGKILL] * len(ranks)
    assert moment != "write" or being_written(config) not in (before, None)


@pytest.mark.parametrize("sizes", [(2, 2, 2, 2), (2, 1, 4, 2)], ids=str)
@pytest.mark.slow
def test_killed_runs_go_on_as_if_nothing_had_been(alone, tmp_path, sizes):
    draw = random.Random(str(sizes))
    config = replace(alone, out=str(tmp_path / "killed"), checkpoint_every=1, keep_checkpoints=2, mcq_json="")
    moments = [draw.randint(1, 3), "write", draw.randint(1, 3), None]
    for number, (size, moment) in enumerate(zip(sizes, moments, strict=True)):
        ranks = start(size, recorded, replace(config, parallel="fsdp" if size == 4 else "ddp"), number)
        if moment is not None:
            kill(ranks, config, number, moment)
    for rank in ranks:
        rank.join(60)
        assert rank.exitcode == 0

    unbroken = replace(config, out=str(tmp_path / "unbroken"))
    together(sizes[0], recorded, unbroken, 0)
    expected = {step: clips for step, *clips in steps_of(unbroken, 0, sizes[0])}
    found = [step for number, size in enumerate(sizes) for step in steps_of(config, number, size)]
    assert {step for step, *_ in found} == expected.keys() == set(range(1, STEPS + 1))
    assert [clips for _, *clips in found] == [expected[step] for step, *_ in found]

    ours, theirs = rows(tmp_path / "killed", "step", "loss", "lr"), rows(tmp_path / "unbroken", "step", "loss", "lr")
    if len(set(sizes)) == 1:
        assert ours == theirs
        one, two = (saved(tmp_path / name, STEPS, tmp_path) for name in ("killed", "unbroken"))
        assert [name for name in two if not torch.equal(one[name], two[name])] == []
    else:
        same(ours, theirs)
