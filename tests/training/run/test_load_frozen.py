"""Encoders of others as models to use: from Python, by `curate features` and by `curate eval`."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

import egocurate
import egocurate.models.frozen.folder
from egocurate.commands.curate import app, main
from egocurate.errors import InputError
from egocurate.loaders.evaluation_clips import EvaluationClips
from egocurate.models.tokenizer import train_tokenizer
from egocurate.shards.read.index import ShardIndex
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_release import Release
from egocurate.training.systems import build_system
from tests.models.frozen.tiny_encoders import PERCEPTION, expected_embedding, needs_timm, write_encoder
from tests.training.runs import run

torch.set_num_threads(1)
CPU = Ranks(0, 1, torch.device("cpu"), False)
TEXTS = ["opens door", "moves cup 1"]


def dual(kind, folder):
    """Write a dual encoder with its tokenizer to a folder; returns the folder and the model that is in it."""
    model = write_encoder(kind, folder)
    train_tokenizer(TEXTS * 3, 64).save_pretrained(folder)
    return folder, model


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return dual("clip", tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dino")
    return folder, write_encoder("dinov3_vit", folder)


def unit(rows):
    return rows / rows.norm(dim=1, keepdim=True)


def test_a_dual_encoder_is_a_model(clip, data):
    folder, theirs = clip
    model = egocurate.load_model(folder, device="cpu")
    clips = torch.stack(list(EvaluationClips(ShardIndex.open(data / "shards"), range(3), frames=4, size=32)))
    expected = unit(expected_embedding("clip", theirs, clips))
    torch.testing.assert_close(model.embed_frames(clips), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model.embed_video(data / "video.mp4", [(0, 1), (1, 2), (2, 3)]), expected)
    ids = [model.system.tokens.tokenizer(text)["input_ids"] for text in TEXTS]
    expected = torch.cat([theirs.get_text_features(torch.tensor([row])).pooler_output for row in ids])
    torch.testing.assert_close(model.embed_text(TEXTS), unit(expected), rtol=1e-5, atol=1e-5)
    for row, states in zip(ids, model.embed_tokens(TEXTS), strict=True):
        expected = theirs.text_model(torch.tensor([row])).last_hidden_state[0]
        torch.testing.assert_close(states, expected, rtol=1e-5, atol=1e-5)


def test_tokens_of_an_encoder_that_reads_its_padding_are_those_of_the_text(tmp_path):
    folder, theirs = dual("siglip", tmp_path)
    model = egocurate.load_model(folder, device="cpu")
    for text, states in zip(TEXTS, model.embed_tokens(TEXTS), strict=True):
        row = model.system.tokens([text], full=True)[0]
        words = model.system.tokens.tokenizer(text)["input_ids"]
        assert len(states) == len(words) < row.shape[1]
        expected = theirs.text_model(row).last_hidden_state[0, : len(words)]
        torch.testing.assert_close(states, expected, rtol=1e-5, atol=1e-5)


@needs_timm
@pytest.mark.parametrize("kind", PERCEPTION)
def test_perception_encoder_is_a_model(kind, data, tmp_path):
    folder, theirs = dual(kind, tmp_path / kind)
    model = egocurate.load_model(folder, device="cpu")
    frames = torch.randint(0, 256, (2, 4, 3, 32, 32)).byte()
    expected = unit(expected_embedding(kind, theirs, frames))
    torch.testing.assert_close(model.embed_frames(frames), expected, rtol=1e-5, atol=1e-5)
    assert model.embed_text(TEXTS).shape == model.embed_video(data / "video.mp4", [(0, 1), (1, 2)]).shape == (2, 12)
    ask = ["--mcq-json", data / "egomcq.json", "--mcq-shards", data / "shards", "--out", tmp_path / "evals"]
    assert command("eval", "--weights", folder, *ask, "--set", "data.workers=0", "--set", "device=cpu")
    assert json.loads((tmp_path / "evals" / "eval-egomcq-dual.json").read_text())["frames"] == 16


def test_an_encoder_without_texts_embeds_clips_alone(dino, data):
    folder, theirs = dino
    model = egocurate.load_model(str(folder), device="cpu")
    frames = torch.randint(0, 256, (2, 4, 3, 32, 32)).byte()
    torch.testing.assert_close(model.embed_frames(frames), unit(expected_embedding("dinov3_vit", theirs, frames)))
    assert model.embed_video(data / "video.mp4", [(0, 1)]).shape == (1, 16)
    with pytest.raises(InputError, match="no text tower"):
        model.embed_text(TEXTS)


def test_settings_of_clips_may_be_others(dino):
    release = Release(str(dino[0]))
    config = release.read(["data.size=48", "data.frames=2"])
    assert (config.data.size, config.data.frames) == (48, 2)
    assert release.restore(config, CPU).features(torch.zeros(1, 2, 3, 48, 48).byte()).shape == (1, 16)
    with pytest.raises(InputError, match=r"data.size=50: not a multiple"):
        release.restore(release.read(["data.size=50"]), CPU)


def test_a_folder_of_videomae_of_no_known_size_is_read_by_transformers(tmp_path):
    theirs = write_encoder("videomae", tmp_path)
    model = egocurate.load_model(tmp_path, device="cpu")
    assert model.config.system == "frozen"
    frames = torch.randint(0, 256, (1, 4, 3, 32, 32)).byte()
    torch.testing.assert_close(model.embed_frames(frames), unit(expected_embedding("videomae", theirs, frames)))


def command(*words):
    return app([str(word) for word in words], standalone_mode=False) in (None, 0)


def test_features_of_videos(dino, data, tmp_path):
    (tmp_path / "videos").mkdir()
    shutil.copy(data / "video.mp4", tmp_path / "videos")
    words = ["features", "--weights", dino[0], "--videos", tmp_path / "videos", "--out", tmp_path / "out"]
    assert command(*words, "--set", "data.workers=0", "--set", "device=cpu")
    assert torch.load(tmp_path / "out" / "video.pt").shape[1] == 16
    made_by = json.loads((tmp_path / "out" / "features.json").read_text())
    assert made_by["run"] == str(dino[0])
    assert made_by["release"] == dino[0].name
    assert (made_by["frames"], made_by["size"]) == (4, 32)


def test_a_dual_encoder_is_evaluated(clip, dino, data, tmp_path, capsys):
    ask = ["--mcq-json", data / "egomcq.json", "--mcq-shards", data / "shards", "--out", tmp_path / "evals"]
    ask += ["--set", "data.workers=0", "--set", "device=cpu"]
    assert command("eval", "--weights", clip[0], *ask)
    found = json.loads((tmp_path / "evals" / "eval-egomcq-dual.json").read_text())
    assert found["release"] == clip[0].name
    assert found["frames"] == 4
    assert f"egomcq-dual, {clip[0]}" in capsys.readouterr().out
    said = refused(capsys, "eval", "--weights", dino[0], *ask)
    assert "no text tower" in said


def refused(capsys, *words):
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    assert left.value.code == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    return said


def test_a_mistake_on_the_command_line_is_one_line(clip, tmp_path, capsys, monkeypatch):
    words = ["--videos", clip[0], "--out", tmp_path / "out"]
    (tmp_path / "bare").mkdir()
    assert "has no config.json" in refused(capsys, "features", "--weights", tmp_path / "bare", *words)
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "bert"}')
    assert "model_type 'bert' is not known; there are clip," in refused(capsys, "features", "--weights", other, *words)
    for published in (clip[0], clip[0] / "model.safetensors"):
        assert f"not the OUT of a training run: --weights {published}" in refused(capsys, "features", published, *words)
    said = refused(capsys, "features", "--weights", clip[0], "--recipe", "egovlp", *words)
    assert "looks like a CLIP" in said

    def unreachable(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(egocurate.models.frozen.folder, "snapshot_download", unreachable)
    assert "the hub does not give it" in refused(capsys, "features", "--weights", "owner/name", *words)
    with pytest.raises(InputError, match="holds no run"):
        egocurate.load_model(tmp_path / "bare")


def test_a_tokenizer_that_is_not_there_is_asked_for(tmp_path, clip):
    write_encoder("clip", tmp_path)
    with pytest.raises(InputError, match="tokenizer=FOLDER names one on this machine"):
        egocurate.load_model(tmp_path, device="cpu")
    model = egocurate.load_model(tmp_path, tokenizer=clip[0], device="cpu")
    assert model.embed_text(TEXTS).shape == (2, 10)


def test_it_is_not_trained(tiny, clip, tmp_path):
    config = Release(str(clip[0])).read([])
    with pytest.raises(InputError, match="system=frozen: what can be trained is egovlp, "):
        build_system(config, None, CPU)
    with pytest.raises(InputError, match="system=frozen"):
        run(replace(tiny, system="frozen", out=str(tmp_path / "run")))
    with pytest.raises(InputError, match="is used, not trained"):
        Release(str(clip[0])).restore(config, CPU).losses(None, None, None)
