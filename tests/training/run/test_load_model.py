"""A run as a model: its embeddings are those of the evaluations, to the bit."""

from dataclasses import replace

import pytest
import torch

import egocurate
from egocurate.errors import InputError
from egocurate.loaders.evaluation_clips import EvaluationClips
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.progress import silent
from egocurate.shards.read.index import ShardIndex
from egocurate.training.config.loss_configs import Reconstruction
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.tasks.embed import Embedder
from tests.training.runs import run

TEXTS = ["moves cup 1", "opens door", "moves cup 1"]


@pytest.fixture(scope="module")
def out(tiny, tmp_path_factory):
    """The folder of a run of two steps."""
    out = tmp_path_factory.mktemp("model") / "run"
    run(replace(tiny, out=str(out), mcq_json="", max_steps=2))
    return out


def test_embeddings_are_those_of_the_evaluations(out, data):
    model = egocurate.load_model(str(out), device="cpu")
    clips = EvaluationClips(ShardIndex.open(data / "shards"), range(5), frames=4, size=32)
    video, text = model.embed_frames(torch.stack(list(clips))), model.embed_text(TEXTS)
    ranks = Ranks(0, 1, torch.device("cpu"), False)
    embedder = Embedder(restore(read_run(out, []), ranks)[0], ranks, workers=0, clips_at_once=64)
    expected, failures = embedder.clips(clips, "clips", silent)
    assert failures == {}
    assert torch.equal(video, expected)
    assert torch.equal(text, embedder.texts(TEXTS))
    assert (video.shape, text.shape) == ((5, 8), (3, 8))
    assert video.dtype == text.dtype == torch.float32
    torch.testing.assert_close(text.norm(dim=1), torch.ones(3))
    assert torch.equal(text[0], text[2])
    assert model.config.model.projection == 8
    assert not model.system.model.training


def test_what_cannot_be_embedded_is_named(out):
    model = egocurate.load_model(out, device="cpu")
    for frames in (torch.zeros(1, 4, 3, 32, 32), torch.zeros(1, 4, 3, 16, 16, dtype=torch.uint8)):
        with pytest.raises(ValueError, match=r"give uint8 \[B, T, 3, 32, 32\]"):
            model.embed_frames(frames)
    with pytest.raises(ValueError, match="give a list of texts"):
        model.embed_text("opens door")


def test_what_is_no_model_is_named(out, tiny, tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        egocurate.load_model(tmp_path)
    (tmp_path / "recipe.json").write_bytes((out / "recipe.json").read_bytes())
    with pytest.raises(InputError, match="no checkpoint yet"):
        egocurate.load_model(tmp_path)
    sizes = {"system": "videomae", "model": VideoMAEConfig.tiny(), "objective": Reconstruction()}
    run(replace(tiny, out=str(tmp_path / "mae"), mcq_json="", max_steps=1, **sizes))
    with pytest.raises(InputError, match="no text tower"):
        egocurate.load_model(tmp_path / "mae")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="device is cuda"):
            egocurate.load_model(out, device="cuda")
