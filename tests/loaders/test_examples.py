"""The examples run as they stand; frameworks neither share out the data again nor lose its place."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from egocurate.errors import InputError
from egocurate.loaders.clip_stream import stream
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.presets import PRESETS
from egocurate.loaders.ranks import rank_and_world

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*command, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        cwd=EXAMPLES.parent,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def needs(package):
    found = importlib.util.find_spec(package) is not None
    return pytest.mark.skipif(not found, reason=f"{package} is not installed: pip install egocurate[dev]")


EPOCHS = ["epoch 0: 8 steps", "epoch 1: 8 steps"]


def epochs(output):
    return [line.partition(",")[0] for line in output.splitlines() if line.startswith("epoch")]


@pytest.mark.slow
def test_plain_trains_and_goes_on(shards, tmp_path):
    assert epochs(run(EXAMPLES / "plain.py", shards, tmp_path)) == EPOCHS
    assert epochs(run(EXAMPLES / "plain.py", shards, tmp_path)) == [], "two epochs were done"


@pytest.mark.slow
def test_plain_runs_under_torchrun(shards, tmp_path):
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2)
    assert epochs(run(*launch, EXAMPLES / "plain.py", shards, tmp_path)) == EPOCHS


@needs("accelerate")
@pytest.mark.slow
def test_accelerate_trains_and_goes_on(shards, tmp_path):
    assert epochs(run(EXAMPLES / "accelerate_loop.py", shards, tmp_path)) == EPOCHS
    assert epochs(run(EXAMPLES / "accelerate_loop.py", shards, tmp_path)) == []


@needs("lightning")
@pytest.mark.slow
def test_lightning_trains(shards, tmp_path):
    assert run(EXAMPLES / "lightning_loop.py", shards, tmp_path).splitlines()[-1] == "16 steps"


TWO_RANKS = """
import json, sys
from pathlib import Path
import lightning, torch
sys.path.insert(0, "examples")
import lightning_loop

class Told(lightning_loop.Verbs):
    seen = []
    def training_step(self, batch, number):
        self.seen.append(batch.sample[: len(batch) // 2].tolist())
        return super().training_step(batch, number)

shards, out, checkpoint = sys.argv[1:]
fresh = not Path(checkpoint).exists()
model = Told(shards)
trainer = lightning.Trainer(
    max_steps=3 if fresh else 10, default_root_dir=out, use_distributed_sampler=False, logger=False,
    enable_progress_bar=False, accelerator="cpu", devices=2, strategy="ddp", enable_checkpointing=False,
)
trainer.fit(model, ckpt_path=None if fresh else checkpoint)
trainer.save_checkpoint(checkpoint)
Path(out, f"{'first' if fresh else 'rest'}{trainer.global_rank}.json").write_text(json.dumps(model.seen))
"""


@needs("lightning")
@pytest.mark.slow
def test_lightning_neither_shares_out_again_nor_loses_the_place_within_an_epoch(shards, tmp_path):
    """Two processes that Lightning starts, a checkpoint after 3 of 8 steps, and on from there."""
    script = tmp_path / "two_ranks.py"
    script.write_text(TWO_RANKS)
    for _ in range(2):
        run(script, shards, tmp_path, tmp_path / "last.ckpt", PYTHONPATH=str(EXAMPLES.parent))
    halves = [
        [
            *json.loads((tmp_path / f"first{rank}.json").read_text()),
            *json.loads((tmp_path / f"rest{rank}.json").read_text()),
        ]
        for rank in range(2)
    ]
    whole = stream(shards, batch_size=8, frames=1, size=8, workers=0, rank=0, world=1)
    expected = [batch.sample[:8].tolist() for epoch in range(2) for batch in whole.epoch(epoch)][:10]
    assert [first + second for first, second in zip(*halves, strict=True)] == expected


def small(shards, **settings):
    return stream(shards, batch_size=8, frames=1, size=8, workers=0, **settings)


def ids(batches):
    return [batch.sample.tolist() for batch in batches]


def test_a_for_loop_is_the_rest_of_the_present_epoch(shards):
    epochs = [ids(small(shards).epoch(0))]
    other = small(shards)
    other.seek(1)
    epochs.append(ids(other.epoch(1)))
    looped = small(shards)
    assert len(looped) == len(epochs[0]) and epochs[0] != epochs[1]
    assert [ids(looped), ids(looped)] == epochs
    broken = small(shards)
    for batch in broken:
        first = batch.sample.tolist()
        break
    assert broken.state_dict()["step"] == 1
    again = small(shards)
    again.load_state_dict(broken.state_dict())
    assert [first, *ids(broken)] == [first, *ids(again)] == epochs[0]


def test_presets_are_settings_by_name(shards):
    assert PRESETS["egovlp"] == StreamConfig()
    assert PRESETS["videoprism-stage1"] == PRESETS["videoprism-stage2"] == PRESETS["videoprism-lit"]
    video = stream(shards, batch_size=8, preset="videomae", workers=0, size=32)
    assert video.config == StreamConfig(frames=16, size=32, pick="stride-1", negatives=False, flip=False, workers=0)
    batch = next(video.epoch(0))
    assert batch.frames.shape == (8, 16, 3, 32, 32)
    assert small(shards, config=StreamConfig(seed=5)).config.seed == 5
    with pytest.raises(InputError, match="no preset is called 'clip': take one of egovlp, egovlpv2, videomae"):
        small(shards, preset="clip")
    with pytest.raises(InputError, match="no setting 'picks': there are frames, size"):
        small(shards, picks="uniform")
    with pytest.raises(InputError, match="give one of them"):
        small(shards, preset="egovlp", config=StreamConfig())


def test_rank_and_world_are_found(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert rank_and_world() == (0, 1)
    monkeypatch.setenv("RANK", "3")
    with pytest.raises(InputError, match="rank is 3 and world is None: start with torchrun"):
        rank_and_world()
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert rank_and_world() == (3, 4)
    assert rank_and_world(1, 2) == (1, 2)
    with pytest.raises(InputError, match="give rank and world together"):
        rank_and_world(rank=0)
    monkeypatch.setenv("RANK", "three")
    with pytest.raises(InputError, match="RANK is 'three', not a number"):
        rank_and_world()
    monkeypatch.delenv("RANK")
    with pytest.raises(InputError, match="rank is None and world is 4"):
        rank_and_world()


def test_an_initialized_process_group_comes_before_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1)
    try:
        assert rank_and_world() == (0, 1)
    finally:
        torch.distributed.destroy_process_group()
