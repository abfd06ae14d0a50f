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


@torch.no_grad()
def test_tokens_of_a_text_are_those_that_its_embedding_is_read_from(out):
    model = egocurate.load_model(out, device="cpu")
    short, long, again = model.embed_tokens(["moves", "opens the door", "moves"])
    assert len(short) < len(long) and short.shape[1] == long.shape[1] == 16 and torch.equal(short, again)
    read = model.system.model.txt_proj(torch.stack([short[0], long[0]]))
    torch.testing.assert_close(model.embed_text(["moves", "opens the door"]), torch.nn.functional.normalize(read))


def test_stretches_of_a_video_are_embedded_as_the_clips_cut_from_it(out, data):
    model = egocurate.load_model(out, device="cpu")
    clips = EvaluationClips(ShardIndex.open(data / "shards"), range(5), frames=4, size=32)
    expected = model.embed_frames(torch.stack(list(clips)))
    video = data / "video.mp4"
    # In any order, overlapping or not.
    stretches = [(3.0, 4.0), (0.0, 1.0), (4.0, 5.0), (1.0, 2.0), (2.0, 3.0)]
    assert torch.equal(model.embed_video(str(video), stretches), expected[[3, 0, 4, 1, 2]])
    # Of one clip alone the model's sums are rounded in another order.
    torch.testing.assert_close(model.embed_video(video, start_sec=3, end_sec=4), expected[3:4])
    assert torch.equal(model.embed_video(video), model.embed_video(video, [(0.0, 27.0)]))
    assert model.embed_video(video, []).shape == (0, 8)


def test_stretches_that_cannot_be_had_are_named(out, data, tmp_path):
    model, video = egocurate.load_model(out, device="cpu"), data / "video.mp4"
    with pytest.raises(InputError, match=r"video.mp4, 100.0 to 101.0 s: no frames in window"):
        model.embed_video(video, [(0.0, 1.0), (100.0, 101.0)])
    with pytest.raises(InputError, match=r"a stretch from 3 to 2 s; give 0 <= start < end"):
        model.embed_video(video, start_sec=3, end_sec=2)
    (tmp_path / "text.mp4").write_text("no video")
    for path in (tmp_path / "text.mp4", tmp_path / "nothing.mp4"):
        with pytest.raises(InputError, match=f"{path}: cannot open"):
            model.embed_video(path)
    with pytest.raises(InputError, match="choose one of train"):
        model.embed_video(video, profile="huge")


def test_what_cannot_be_embedded_is_named(out):
    model = egocurate.load_model(out, device="cpu")
    for frames in (torch.zeros(1, 4, 3, 32, 32), torch.zeros(1, 4, 3, 16, 16, dtype=torch.uint8)):
        with pytest.raises(ValueError, match=r"give uint8 \[B, T, 3, 32, 32\]"):
            model.embed_frames(frames)
    for embed in (model.embed_text, model.embed_tokens):
        with pytest.raises(ValueError, match="give a list of texts"):
            embed("opens door")


def test_a_model_without_texts_embeds_clips_alone(tiny, tmp_path):
    sizes = {"system": "videomae", "model": VideoMAEConfig.tiny(), "objective": Reconstruction()}
    run(replace(tiny, out=str(tmp_path), mcq_json="", max_steps=1, **sizes))
    model = egocurate.load_model(tmp_path, device="cpu")
    frames = torch.randint(0, 256, (2, 4, 3, 32, 32)).byte()
    with torch.no_grad():
        expected = model.system.features(frames)
    torch.testing.assert_close(model.embed_frames(frames), expected / expected.norm(dim=1, keepdim=True))
    for embed in (model.embed_text, model.embed_tokens):
        with pytest.raises(InputError, match="videomae has no text tower"):
            embed(TEXTS)


def test_what_is_no_model_is_named(out, tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        egocurate.load_model(tmp_path)
    (tmp_path / "recipe.json").write_bytes((out / "recipe.json").read_bytes())
    with pytest.raises(InputError, match="no checkpoint yet"):
        egocurate.load_model(tmp_path)
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="device is cuda"):
            egocurate.load_model(out, device="cuda")
