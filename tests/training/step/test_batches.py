"""How many workers a run takes where its recipe leaves that open, and clips that are decoded where it trains."""

from dataclasses import replace
from unittest import mock

import pytest
import torch

from egocurate.loaders import clip_stream
from egocurate.loaders.decoding.device_decoder import HostDecoder
from egocurate.loaders.workers.host import Machine
from egocurate.train import train
from egocurate.training.config.recipes import RECIPES
from egocurate.training.step.batches import with_workers_chosen
from tests.training.runs import rows

MACHINE = Machine(16, 2**38)


@pytest.mark.parametrize(("gpu", "workers"), [(True, 15), (False, 4)])
def test_base_recipes_take_the_cores_that_the_model_leaves(gpu, workers):
    with (
        mock.patch("egocurate.training.step.batches.this_rank", return_value=MACHINE),
        mock.patch("torch.cuda.is_available", return_value=gpu),
    ):
        for name in ("egovlp", "egovlpv2", "videomae"):
            with mock.patch.dict("os.environ", {"WORLD_SIZE": "8"}):
                config, (line,) = with_workers_chosen(RECIPES[name]())
            assert config.data.workers == workers
            assert line.startswith(f"data.workers={workers} for a rank's 16 cores")


def test_a_number_that_was_given_stays_and_nothing_is_said():
    config = replace(RECIPES["egovlp"](), data=replace(RECIPES["egovlp"]().data, workers=3))
    assert with_workers_chosen(config) == (config, [])


def losses_of(config, out, *changes):
    said = []
    config = replace(config, out=str(out), max_steps=3, mcq_json="", data=replace(config.data, **dict(changes)))
    train(config, say=said.append)
    return rows(out, "loss"), said


@pytest.mark.slow
def test_a_run_whose_device_decodes_learns_the_same(tiny, tmp_path, caplog):
    """By the host's decoder in the trainer's process, as a GPU's would be; and by none, which a line says."""
    expected, _ = losses_of(tiny, tmp_path / "host")
    with mock.patch("egocurate.loaders.clip_stream.gpu_decoder", return_value=HostDecoder()) as asked:
        found, _ = losses_of(tiny, tmp_path / "device", ("decode", "device"), ("workers", 1))
    assert found == expected and asked.call_args.args[0] == torch.device("cpu")
    clip_stream._say_once.cache_clear()
    found, _ = losses_of(tiny, tmp_path / "neither", ("decode", "device"))
    assert found == expected
    assert caplog.text.count("decode=device: batches go to the cpu, not to a GPU; the host decodes") == 1


@pytest.mark.slow
def test_a_run_goes_on_where_clips_are_decoded_elsewhere(tiny, tmp_path):
    whole, _ = losses_of(tiny, tmp_path / "whole")
    config = replace(tiny, out=str(tmp_path / "broken"), mcq_json="", checkpoint_every=1)
    train(replace(config, max_steps=1), say=[].append)
    (tmp_path / "broken" / "recipe.json").write_text(
        (tmp_path / "broken" / "recipe.json").read_text().replace('"max_steps": 1', '"max_steps": 3')
    )
    moved = replace(config, max_steps=3, data=replace(tiny.data, decode="device"))
    with mock.patch("egocurate.loaders.clip_stream.gpu_decoder", return_value=HostDecoder()):
        train(moved, resume=True, say=[].append)
    assert rows(tmp_path / "broken", "loss") == whole
