"""How many clips are evaluated at once: as told, or as many as the memory holds."""

from dataclasses import replace
from unittest import mock

import pytest
import torch

from egocurate.models.videoprism.config import VideoPrismConfig
from egocurate.training.config.overrides import with_setting
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems import SYSTEMS, build_system
from egocurate.training.systems.videoprism import VideoPrismSystem
from egocurate.training.tasks import eval_batch
from egocurate.training.tasks.egomcq import EgoMCQEvaluator
from egocurate.training.tasks.eval_batch import clips_at_once
from tests.training.runs import run

GIB = 2**30
GPU = Ranks(0, 1, torch.device("cuda"), True)
CPU = Ranks(0, 1, torch.device("cpu"), False)
MEASURED = 125 / 64 * GIB  # a clip of VideoPrism-B where 64 of 16 frames go through at once


def prism_base():
    """A system of VideoPrism-B's size without its parameters."""
    system = object.__new__(VideoPrismSystem)
    system.sizes = VideoPrismConfig.base().encoder
    return system


def with_gpu(free, held=0, used=0):
    memory = {"mem_get_info": (free, 80 * GIB), "memory_reserved": held, "memory_allocated": used}
    return mock.patch.multiple(torch.cuda, **{name: mock.Mock(return_value=value) for name, value in memory.items()})


def test_videoprism_fits_a_gpu_of_80_gigabytes():
    config, system = RECIPES["videoprism-stage1"](), prism_base()
    assert MEASURED < system.clip_bytes(16) < 1.5 * MEASURED
    with with_gpu(75 * GIB):
        count = clips_at_once(config, system, GPU)
    assert count == 16
    assert count * MEASURED < 40 * GIB
    with with_gpu(20 * GIB, held=30 * GIB, used=5 * GIB):  # torch gives back what it holds for nothing
        assert clips_at_once(config, system, GPU) == 8
    with with_gpu(GIB):
        assert clips_at_once(config, system, GPU) == 1
    with with_gpu(GIB):
        assert clips_at_once(with_setting(config, "eval_batch=5"), system, GPU) == 5


def test_a_small_model_takes_the_most_at_once(tiny):
    system = mock.Mock(clip_bytes=mock.Mock(return_value=1000))
    with with_gpu(75 * GIB):
        assert clips_at_once(tiny, system, GPU) == 64
    system.clip_bytes.assert_called_once_with(tiny.data.frames)


def test_ranks_of_a_host_share_its_memory(tiny, monkeypatch):
    system = mock.Mock(clip_bytes=mock.Mock(return_value=GIB))
    monkeypatch.setattr(eval_batch, "free_bytes", lambda: 64 * GIB)
    assert clips_at_once(tiny, system, CPU) == 32
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert clips_at_once(tiny, system, CPU) == 4


OF_SYSTEMS = {RECIPES[name]().system: name for name in RECIPES if not name.endswith("-tiny")}


@pytest.mark.parametrize("name", sorted(SYSTEMS.keys() - {"encoder-classifier"}))  # that one asks transformers
def test_every_system_knows_what_a_clip_takes(name):
    """The estimate of each model of its published size holds a clip's tokens, and grows with its frames."""
    config = RECIPES[OF_SYSTEMS[name]]()
    system = object.__new__(SYSTEMS[name])
    model = config.model
    system.sizes = getattr(model, "encoder", getattr(model, "backbone", model))
    system.video = getattr(model, "video", None)
    few, many = system.clip_bytes(4), system.clip_bytes(16)
    assert 2**20 < few < many < 4 * GIB


@pytest.mark.parametrize(
    "mode", [*(pytest.param(one, marks=pytest.mark.slow) for one in ("dual", "fused")), "ensemble"]
)
def test_the_batch_leaves_the_scores(tiny, mode, tmp_path):
    config = tiny
    if mode != "dual":
        config = replace(RECIPES["egovlpv2-tiny"](), shards=tiny.shards, mcq_json=tiny.mcq_json)
        config = replace(config, mcq_shards=tiny.mcq_shards, data=replace(config.data, workers=0), device="cpu")
    config = replace(config, batch_size=4, out=str(tmp_path / "run"), max_steps=1, mcq_mode=mode)
    run(config)
    scores = []
    for count in (1, 3, 64):
        at_once = replace(config, eval_batch=count, tokenizer=str(tmp_path / "run" / "tokenizer"))
        system = build_system(at_once, None, CPU)
        tower = "lower_video" if mode == "fused" else "encode_video"
        with mock.patch.object(system.model, tower, wraps=getattr(system.model, tower)) as calls:
            scores.append(EgoMCQEvaluator(at_once, system, CPU, lambda *_: None).scores()[0])
        assert max(len(call.args[0]) for call in calls.call_args_list) <= count
    for other in scores[1:]:
        torch.testing.assert_close(torch.from_numpy(other), torch.from_numpy(scores[0]), rtol=1e-4, atol=1e-5)
