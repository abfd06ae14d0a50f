"""Where a run starts: another run of any number of ranks, a checkpoint of it, weights; and what is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from egocurate.errors import InputError
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videomae.model import VideoMAE
from egocurate.models.weights import save_weights
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.systems.initial_weights import load_complete, load_start, tokenizer_of
from tests.training.ranks import together
from tests.training.runs import rows, run, saved

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def past(tiny, tmp_path_factory):
    """A run of four steps with checkpoints at 2 and 4: its config."""
    config = replace(tiny, out=str(tmp_path_factory.mktemp("past") / "run"), mcq_json="", max_steps=4)
    run(config)
    return config


def drawn(config):
    torch.manual_seed(9)
    return EgoVLP(config.model)


def test_a_run_or_one_of_its_checkpoints_loads(past, tmp_path):
    out = Path(past.out)
    for source, step in ((out, 4), (out / "checkpoints" / "step-00000002", 2)):
        model = drawn(past)
        report = load_start(model, str(source))
        assert report.missing == report.unused == []
        theirs = saved(out, step, tmp_path)
        assert all(torch.equal(value, theirs[f"/model/{name}"]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("parallel", [pytest.param("ddp", marks=pytest.mark.slow), "fsdp"])
def test_a_run_of_two_ranks_loads_in_one_process(past, tmp_path, parallel):
    together(2, run, replace(past, out=str(tmp_path / "two"), parallel=parallel))
    one, two = drawn(past), drawn(past)
    load_complete(one, past.out)
    load_complete(two, str(tmp_path / "two"))
    for name, value in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], value, rtol=1e-3, atol=2e-5, msg=name)


def test_a_part_is_found_behind_its_prefix(past, tmp_path):
    whole, tower = drawn(past), drawn(past).video
    load_complete(whole, past.out)
    report = load_complete(tower, past.out, ("clips.", "video."))
    assert all(name in tower.state_dict() for name in report.loaded)
    assert torch.equal(tower.pos_embed, whole.video.pos_embed)
    save_weights(whole.video, tmp_path / "video.safetensors")
    other = drawn(past).video
    load_complete(other, str(tmp_path / "video.safetensors"), ("video.", ""))
    assert torch.equal(other.pos_embed, whole.video.pos_embed)


def test_more_frames_than_a_run_was_trained_on(past, data, tmp_path):
    sixteen = replace(past.data, frames=16)
    trained = drawn(past)
    load_complete(trained, past.out)
    trained = trained.video.temporal_embed
    # An evaluation of the run, and a run that starts there.
    ranks = Ranks(0, 1, torch.device("cpu"), False)
    system, _ = restore(read_run(Path(past.out), ["data.frames=16"]), ranks)
    config = replace(past, out=str(tmp_path / "run"), start=past.out, data=sixteen, max_steps=1)
    run(replace(config, optimizer=replace(past.optimizer, lr=1e-12)))
    started = saved(tmp_path / "run", 1, tmp_path)["/model/video.temporal_embed"]
    for embedding in (system.model.video.temporal_embed, started):
        assert embedding.shape == (1, 16, 16)
        torch.testing.assert_close(embedding[:, :4], trained, rtol=0, atol=1e-9)
        assert embedding[:, 4:].abs().max() < 1e-9
    assert system.embed_clips(torch.zeros(2, 16, 3, 32, 32, dtype=torch.uint8)).shape == (2, 8)
    fewer, _ = restore(read_run(Path(past.out), ["data.frames=2"]), ranks)
    assert torch.equal(fewer.model.video.temporal_embed, trained)


def test_a_new_run_starts_there_and_reads_texts_alike(past, tmp_path):
    config = replace(past, out=str(tmp_path / "run"), start=past.out, max_steps=1)
    expected = drawn(past)
    load_complete(expected, past.out)
    run(replace(config, optimizer=replace(past.optimizer, lr=1e-12)))
    ours = saved(tmp_path / "run", 1, tmp_path)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(ours[f"/model/{name}"], value, rtol=0, atol=1e-9, msg=name)
    assert rows(tmp_path / "run", "loss")[0] != rows(Path(past.out), "loss")[0]
    assert tokenizer_of(config.start) == str(Path(past.out) / "tokenizer")
    assert tokenizer_of(str(tmp_path / "run")) == str(tmp_path / "run" / "tokenizer")
    assert tokenizer_of(str(tmp_path)) == tokenizer_of("") == ""


def test_a_run_goes_on_without_what_it_started_from(past, tmp_path):
    shutil.copytree(past.out, tmp_path / "start")
    config = replace(past, out=str(tmp_path / "run"), start=str(tmp_path / "start"))
    run(config)
    shutil.rmtree(tmp_path / "start")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "step-00000004")
    before = rows(tmp_path / "run", "loss")
    run(config, resume=True)
    assert rows(tmp_path / "run", "loss") == before


def test_published_weights_load_in_their_own_spelling(tmp_path):
    torch.manual_seed(0)
    model, other = VideoMAE(VideoMAEConfig.tiny()), VideoMAE(VideoMAEConfig.tiny())
    torch.save({"model": model.state_dict(), "epoch": 800}, tmp_path / "release.pth")
    load_complete(other, str(tmp_path / "release.pth"))
    assert torch.equal(other.mask_token, model.mask_token)


def test_what_does_not_fit_is_one_line(past, tmp_path):
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    empty.mkdir()
    shutil.copytree(past.out, broken)
    for part in (broken / "checkpoints" / "step-00000004").glob("*.distcp"):
        part.unlink()
    (tmp_path / "text.pth").write_text("not weights")
    (tmp_path / "text.safetensors").write_text("not weights")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"step": 3}, tmp_path / "number.pth")
    for source, words in {
        "nowhere.pth": "no such file",
        str(empty): "no checkpoints/step-N",
        str(broken): "step-00000004 is not a whole checkpoint",
        str(tmp_path / "text.pth"): "not a file of tensors",
        str(tmp_path / "text.safetensors"): "not a file of tensors",
        str(tmp_path / "list.pth"): "none of its 0 tensors fits",
        str(tmp_path / "number.pth"): "none of its 0 tensors fits",
    }.items():
        with pytest.raises(InputError, match=words) as raised:
            load_start(drawn(past), source)
        assert "\n" not in str(raised.value)
    with pytest.raises(InputError, match="none of its"):
        load_start(nn.Linear(3, 3), past.out)
    deeper = replace(past.model, video=replace(past.model.video, depth=2))
    with pytest.raises(InputError, match=r"has \d+ of the \d+ tensors needed, not video.blocks.1"):
        load_complete(EgoVLP(deeper), past.out)
