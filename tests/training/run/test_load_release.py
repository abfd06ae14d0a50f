"""Weights under the names of their releases, as a model to use; and what is no release, in one line each."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import egocurate
import egocurate.models.tokenizer
import egocurate.models.weights
from egocurate.commands.curate import app, main
from egocurate.errors import InputError
from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.classifier.model import Classifier
from egocurate.models.classifier.weights import LABEL
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.egovlpv2.config import EgoVLPv2Config
from egocurate.models.egovlpv2.model import EgoVLPv2
from egocurate.models.tokenizer import train_tokenizer
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videomae.model import VideoMAE
from egocurate.models.videoprism.config import VideoPrismConfig
from egocurate.models.videoprism.model import VideoPrism
from egocurate.models.weights import replace_prefix
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run import load_release
from egocurate.training.run.load_release import Release
from tests.models.egovlpv2.test_weights import release_names
from tests.models.frozen.tiny_releases import avion, lavila, lavila_distilbert, openai_clip
from tests.models.test_weights import RELEASE
from tests.models.videoprism.test_videoprism import release_of

torch.set_num_threads(1)
CPU = Ranks(0, 1, torch.device("cpu"), False)
TEXTS = ["#C C opens the door", "#C C moves a cup"]
EGOVLP_NAMES = {"video.": "video_model.", "text.model.": "text_model.", "vid_proj.": "vid_proj.0."}


def drawn(kind, config):
    torch.manual_seed(3)
    return kind(config).eval()


def egovlp_state(model):
    """The model's tensors as EgoVLP's release names them."""
    state = {}
    for name, value in model.state_dict().items():
        ours = next((prefix for prefix in EGOVLP_NAMES if name.startswith(prefix)), "")
        state["module." + EGOVLP_NAMES.get(ours, "") + name.removeprefix(ours)] = value
    return state


# Run where the release's classes are, which here they are not.
WRITE = """
import sys
import torch, parse_config
kind, source, path = sys.argv[1:]
config = parse_config.ConfigParser() if kind == "config" else parse_config.Command(path + ".victim")
torch.save({"state_dict": torch.load(source), "config": config, "epoch": 3}, path)
"""


def write_with_objects(kind, state, path, folder):
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "parse_config.py").write_text(RELEASE)
    torch.save(state, folder / "state.pt")
    command = [sys.executable, "-c", WRITE, kind, str(folder / "state.pt"), str(path)]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(folder / "code")}, check=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("releases")


@pytest.fixture(scope="module")
def tokenizer(folder):
    train_tokenizer(TEXTS * 3, 2048).save_pretrained(folder / "tokenizer")
    return folder / "tokenizer"


@pytest.fixture(scope="module")
def egovlp(folder):
    """A small EgoVLP, and its weights as the release has them."""
    model = drawn(EgoVLP, RECIPES["egovlp-tiny"]().model)
    path = folder / "EgoVLP.pth"
    write_with_objects("config", egovlp_state(model), path, folder)
    return model, path


def clips(size, frames=4):
    return torch.randint(0, 256, (2, frames, 3, size, size), generator=torch.Generator().manual_seed(1)).byte()


def one_line(source, **options):
    with pytest.raises(InputError) as raised:
        egocurate.load_model(source, device="cpu", **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_release_of_egovlp_is_a_model(egovlp, tokenizer):
    ours, path = egovlp
    model = egocurate.load_model(path, recipe="egovlp-tiny", tokenizer=tokenizer, device="cpu")
    frames = clips(64)
    expected = ours.encode_video(model.system.pixels(frames))
    video, text = model.embed_frames(frames), model.embed_text(TEXTS)
    torch.testing.assert_close(video, expected / expected.norm(dim=1, keepdim=True))
    expected = ours.encode_text(*model.system.tokens(TEXTS))
    torch.testing.assert_close(text, expected / expected.norm(dim=1, keepdim=True))
    assert not model.system.model.training


def test_more_frames_than_those_of_the_recipe(egovlp, tokenizer):
    release = Release(str(egovlp[1]), "egovlp-tiny")
    system = release.restore(release.read([f"tokenizer={tokenizer}", "data.frames=6"]), CPU)
    assert system.model.video.temporal_embed.shape[1] == 6
    assert not system.model.video.temporal_embed[:, 4:].any()


def test_a_release_of_egovlpv2_is_a_model(folder, tokenizer, monkeypatch):
    tiny = RECIPES["egovlpv2-tiny"]()
    sizes = replace(EgoVLPv2Config.small(), projection=6)
    monkeypatch.setattr(load_release, "RECIPES", {**RECIPES, "egovlpv2": lambda: replace(tiny, model=sizes)})
    model = drawn(EgoVLPv2, sizes)
    shapes = release_names(128, 128, 4, 2, 6, 2048, 4) | {
        "video_model.pos_embed": (1, 17, 128),
        "video_model.patch_embed.proj.weight": (128, 3, 16, 16),
        "text_model.embeddings.position_embeddings.weight": (34, 128),
    }
    state = {f"module.{name}": torch.randn(shape) * 0.05 for name, shape in shapes.items()}
    torch.save({"state_dict": state}, folder / "EgoVLPv2.pth")
    found = egocurate.load_model(folder / "EgoVLPv2.pth", tokenizer=tokenizer, device="cpu")
    assert isinstance(found.system.model, type(model))
    assert found.config.data.text == "raw"
    theirs = state["module.cross_modal_text_transform.weight"]
    assert torch.equal(found.system.model.text_transform.weight, theirs)
    assert found.embed_frames(clips(64)).shape == found.embed_text(TEXTS).shape == (2, 6)


@pytest.mark.parametrize("heads", [True, False])
def test_egovlpv2_with_linear_projections_is_a_model(folder, tokenizer, monkeypatch, heads):
    """As the files for EK-100 and Charades-Ego are, with what fuses or without."""
    tiny = RECIPES["egovlpv2-tiny"]()
    sizes = EgoVLPv2Config.small()
    monkeypatch.setattr(load_release, "RECIPES", {**RECIPES, "egovlpv2": lambda: replace(tiny, model=sizes)})
    shapes = release_names(128, 128, 4, 2, 6, 2048, 4) | {
        "video_model.pos_embed": (1, 17, 128),
        "video_model.patch_embed.proj.weight": (128, 3, 16, 16),
        "text_model.embeddings.position_embeddings.weight": (34, 128),
    }
    shapes = {name: shape for name, shape in shapes.items() if not name.startswith(("vid_proj", "txt_proj"))}
    if not heads:
        shapes = {name: shape for name, shape in shapes.items() if name.startswith(("video_model", "text_model"))}
    shapes |= {"vid_proj.0.weight": (10, 128), "vid_proj.0.bias": (10,)}
    shapes |= {"txt_proj.1.weight": (10, 128), "txt_proj.1.bias": (10,)}
    state = {f"module.{name}": torch.randn(shape) * 0.05 for name, shape in shapes.items()}
    torch.save({"state_dict": state}, folder / "small.pth")
    found = egocurate.load_model(folder / "small.pth", tokenizer=tokenizer, device="cpu")
    system, frames = found.system, clips(64)
    assert system.can_fuse is heads
    # Each map on the tower's own [CLS], written out.
    pixels, name = system.pixels(frames), "module.vid_proj.0"
    expected = system.model.video(pixels) @ state[f"{name}.weight"].T + state[f"{name}.bias"]
    torch.testing.assert_close(found.embed_frames(frames), expected / expected.norm(dim=1, keepdim=True))
    words, name = system.model.text(*system.tokens(TEXTS))[:, 0], "module.txt_proj.1"
    expected = words.relu() @ state[f"{name}.weight"].T + state[f"{name}.bias"]
    torch.testing.assert_close(found.embed_text(TEXTS), expected / expected.norm(dim=1, keepdim=True))
    del state["module.video_model.blocks.1.norm2.bias"]
    torch.save({"state_dict": state}, folder / "small.pth")
    said = one_line(folder / "small.pth", tokenizer=tokenizer)
    assert "1 of the" in said


@pytest.mark.slow
def test_releases_of_dual_encoders_are_models(folder, data, capsys):
    train_tokenizer(TEXTS * 3, 90).save_pretrained(folder / "small-tokenizer")
    ask = ["--mcq-json", data / "egomcq.json", "--mcq-shards", data / "shards", "--set", "data.workers=0"]
    ask += ["--set", f"tokenizer={folder / 'small-tokenizer'}", "--set", "device=cpu", "--out"]
    for name, state in (("lavila", lavila()), ("avion", avion()), ("openai-clip", openai_clip())):
        path = folder / f"{name}.pth"
        write_with_objects("config", state, path, folder)
        model = egocurate.load_model(path, tokenizer=folder / "small-tokenizer", device="cpu")
        assert (model.config.system, model.config.model.kind) == ("frozen", name)
        assert (model.config.data.size, model.config.data.frames) == (32, 4)
        frames = clips(32)
        expected = model.system.model.embed(model.system.pixels(frames))
        torch.testing.assert_close(model.embed_frames(frames), expected / expected.norm(dim=1, keepdim=True))
        assert model.embed_text(TEXTS).shape == (2, 24)
        words = [str(word) for word in ("eval", "--weights", path, *ask, folder / f"evals-{name}")]
        assert app(words, standalone_mode=False) in (None, 0)
        assert json.loads((folder / f"evals-{name}" / "eval-egomcq-dual.json").read_text())["release"] == path.name
        assert Release(str(path)).read([]).tokenizer == "openai/clip-vit-base-patch16"
        with pytest.raises(InputError, match="name their tokenizer"):
            Release(str(path)).read(["tokenizer="])
        assert "used as they are: leave it out" in one_line(path, recipe="egovlp")
    capsys.readouterr()
    release = Release(str(folder / "lavila.pth"))
    system = release.restore(release.read(["data.frames=8", f"tokenizer={folder / 'small-tokenizer'}"]), CPU)
    assert system.embed_clips(clips(32, frames=8)).shape == (2, 24)


def test_lavila_with_distilbert_is_a_model(folder):
    train_tokenizer(TEXTS * 3, 90).save_pretrained(folder / "pieces")
    torch.save({"state_dict": lavila_distilbert()}, folder / "distilbert.pth")
    model = egocurate.load_model(folder / "distilbert.pth", tokenizer=folder / "pieces", device="cpu")
    assert (model.config.model.kind, model.config.max_tokens) == ("lavila-distilbert", 20)
    assert model.embed_frames(clips(32)).shape == model.embed_text(TEXTS).shape == (2, 24)
    assert {states.shape[1] for states in model.embed_tokens(TEXTS)} == {64}
    # Padding is not read.
    torch.testing.assert_close(model.embed_text([TEXTS[0], "a " * 18])[0], model.embed_text(TEXTS)[0])
    assert Release(str(folder / "distilbert.pth")).read([]).tokenizer == "distilbert-base-uncased"


def test_lavila_s_copy_of_egovlp_is_egovlp(egovlp, tokenizer, folder):
    names = {"video_model.": "visual.", "text_model.": "textual.", "vid_proj.": "image_projection."}
    names["txt_proj."] = "text_projection."
    state = {name.removeprefix("module."): value.half() for name, value in egovlp_state(egovlp[0]).items()}
    torch.save(
        {"state_dict": {replace_prefix(name, names): value for name, value in state.items()}}, folder / "copy.pth"
    )
    torch.save({"state_dict": state}, folder / "halves.pth")
    frames = clips(64)
    copy, expected = (
        egocurate.load_model(folder / name, recipe="egovlp-tiny", tokenizer=tokenizer, device="cpu")
        for name in ("copy.pth", "halves.pth")
    )
    assert (copy.config.system, copy.config.data.text) == ("egovlp", "raw")
    assert torch.equal(copy.embed_frames(frames), expected.embed_frames(frames))
    assert torch.equal(copy.embed_text(TEXTS), expected.embed_text(TEXTS))


def test_a_fine_tuned_videomae_gives_features_and_classes(folder):
    config = VideoMAEConfig(image=32, patch=8, frames=4, width=128, depth=2, heads=2)
    ours = Classifier(ClassifierConfig(config), {LABEL: 5}).eval()
    torch.save({"module": tuned_names(ours)}, folder / "tuned.pth")
    release = Release(str(folder / "tuned.pth"))
    assert (release.read([]).data.size, release.read([]).data.frames) == (224, 16)
    system = release.restore(release.read(["data.size=32", "data.frames=4"]), CPU)
    frames = clips(32)
    with torch.no_grad():
        torch.testing.assert_close(system.logits(frames)[LABEL], ours(system.pixels(frames))[LABEL])
        torch.testing.assert_close(system.features(frames), ours.features(system.pixels(frames)))
    assert not system.embedding


def tuned_names(model):
    """The tensors of a classifier under the names of VideoMAE's release."""
    names = {"backbone.": "", "norm.": "fc_norm.", "scores.label.": "head."}
    return {replace_prefix(name, names): value for name, value in model.state_dict().items()}


def test_releases_of_videoprism_are_a_model_and_an_encoder(folder, tokenizer):
    sizes = RECIPES["videoprism-stage1-tiny"]().model
    ours = drawn(VideoPrism, sizes)
    arrays = release_of(ours)
    np.savez(folder / "lvt.npz", **arrays)
    assert Release(str(folder / "lvt.npz"), "videoprism-stage1-tiny").read([f"tokenizer={tokenizer}"]).model == sizes
    model = egocurate.load_model(folder / "lvt.npz", recipe="videoprism-stage1-tiny", tokenizer=tokenizer, device="cpu")
    frames = clips(64)
    expected = ours.encode_video(frames / 255)
    torch.testing.assert_close(model.embed_frames(frames), expected / expected.norm(dim=1, keepdim=True))
    assert model.embed_text(TEXTS).shape == (2, 96)
    stem = "params/vision_encoder/"
    alone = {name.replace(stem, "params/"): value for name, value in arrays.items() if name.startswith(stem)}
    np.savez(folder / "encoder.npz", **alone)
    release = Release(str(folder / "encoder.npz"), "videoprism-stage2-tiny")
    system = release.restore(release.read([]), CPU)
    torch.testing.assert_close(system.features(frames), ours.video.encoder(frames / 255).mean(1))
    model = egocurate.load_model(folder / "encoder.npz", recipe="videoprism-stage2-tiny", device="cpu")
    expected = system.features(frames)
    torch.testing.assert_close(model.embed_frames(frames), expected / expected.norm(dim=1, keepdim=True))
    with pytest.raises(InputError, match="no text tower"):
        model.embed_text(TEXTS)


def test_a_release_of_videomae_gives_features(folder, data, capsys):
    ours = drawn(VideoMAE, RECIPES["videomae-tiny"]().model)
    torch.save({"model": ours.state_dict(), "epoch": 800}, folder / "videomae.pth")
    (folder / "videos").mkdir()
    shutil.copy(data / "video.mp4", folder / "videos")
    words = ["features", "--weights", folder / "videomae.pth", "--recipe", "videomae-tiny"]
    words += ["--videos", folder / "videos", "--out", folder / "features", "--set", "data.workers=0"]
    assert app([str(word) for word in (*words, "--set", "device=cpu")], standalone_mode=False) in (None, 0)
    assert torch.load(folder / "features" / "video.pt").shape[1] == 96
    made_by = json.loads((folder / "features" / "features.json").read_text())
    assert made_by["release"] == "videomae.pth"
    assert made_by["run"] == str(folder / "videomae.pth")
    release = Release(str(folder / "videomae.pth"), "videomae-tiny")
    frames = clips(64)
    system = release.restore(release.read([]), CPU)
    assert torch.equal(system.model.mask_token, ours.mask_token)
    assert system.features(frames).shape == (2, 96)


def test_a_release_of_egovlp_is_searched_with(egovlp, tokenizer, data, folder, capsys):
    options = ["--recipe", "egovlp-tiny", "--set", f"tokenizer={tokenizer}", "--set", "device=cpu"]
    (folder / "videos.txt").write_text(str(data / "video.mp4"))
    videos = ["--videos", str(folder / "videos.txt"), "--index", str(folder / "index")]
    app(["search", "open it", "--weights", str(egovlp[1]), *videos, *options], standalone_mode=False)
    said = capsys.readouterr().out
    assert "53 windows of 1 video in" in said
    assert "as “#C C opens it”" in said  # as its authors' code gives texts to it


def test_a_release_is_evaluated(egovlp, tokenizer, data, folder, capsys):
    path, out = egovlp[1], folder / "evals"
    words = ["--recipe", "egovlp-tiny", "--out", out, "--mcq-json", data / "egomcq.json", "--mcq-shards"]
    words += [data / "shards", "--set", f"tokenizer={tokenizer}", "--set", "data.workers=0", "--set", "device=cpu"]
    words = [str(word) for word in ("eval", "--weights", path, *words)]
    assert app(words, standalone_mode=False) in (None, 0)
    found = json.loads((out / "eval-egomcq-dual.json").read_text())
    assert found["release"] == "EgoVLP.pth"
    assert found["frames"] == 4
    assert found["inputs"].keys() == {"weights", "tokenizer", "questions"}
    assert f"egomcq-dual, {path}" in capsys.readouterr().out


def refused(capsys, *words):
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    assert left.value.code == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    return said


def test_a_mistake_on_the_command_line_is_one_line(egovlp, data, folder, capsys):
    path = egovlp[1]
    ask = ["--mcq-json", data / "egomcq.json", "--mcq-shards", data / "shards"]
    assert "--weights needs --out" in refused(capsys, "eval", "--weights", path, *ask)
    out = ["--out", folder / "new"]
    assert "name one model: RUN" in refused(capsys, "eval", *ask, *out)
    assert "name one model: RUN" in refused(capsys, "eval", folder, "--weights", path, *ask, *out)
    assert "a run has its own" in refused(capsys, "eval", folder, "--recipe", "egovlp", *ask)
    said = refused(capsys, "eval", "--weights", path, "--recipe", "egovlq", *ask, *out)
    assert "--recipe egovlq: there are egovlp" in said
    assert "no such file" in refused(capsys, "eval", "--weights", folder / "gone.pth", *ask, *out)
    assert "has no config.json" in refused(capsys, "eval", "--weights", folder, *ask, *out)
    said = refused(capsys, "features", "--videos", folder, "--out", folder / "new")
    assert "name one model: RUN" in said
    assert not (folder / "new").exists()


def test_weights_of_another_architecture_are_named(folder, egovlp):
    vit = {"cls_token": (1, 1, 8), "pos_embed": (1, 5, 8), "blocks.0.attn.qkv.weight": (24, 8)}
    classifier = {"blocks.0.attn.q_bias": (8,), "fc_norm.weight": (8,)}
    clip = {"visual.transformer.resblocks.0.ln_1.weight": (8,)}
    unknown = {"conv1.weight": (8, 3, 3, 3), "fc.bias": (8,)}
    for shapes, words in (
        (vit, "looks like an image ViT"),
        (classifier, "a VideoMAE that was fine-tuned to classify, without its head"),
        (clip, "looks like a CLIP"),
        (unknown, "its 2 tensors begin with conv1.weight, fc.bias"),
    ):
        save_file({name: torch.zeros(shape) for name, shape in shapes.items()}, folder / "other.safetensors")
        assert words in one_line(folder / "other.safetensors")
    said = one_line(egovlp[1], recipe="videomae")
    assert "recipe videomae trains videomae" in said
    assert "weights of egovlp" in said


def test_sizes_are_those_of_the_shapes(folder):
    names = ("vision_encoder/spatial_encoder/x", "text_encoder/x")
    large = {f"params/{name}": np.zeros(1) for name in names}
    np.savez(
        folder / "large.npz", **large, **{"params/vision_encoder/patch_projection/linear/kernel": np.zeros((3, 1024))}
    )
    config = Release(str(folder / "large.npz")).read([])
    assert (config.model, config.data.frames) == (VideoPrismConfig.large(), 8)
    assert config.tokenizer == "google/videoprism-lvt-base-f16r288"
    huge = {"encoder.blocks.0.x": (1,), "decoder.blocks.0.x": (1,), "encoder_to_decoder.weight": (1,)}
    huge["encoder.patch_embed.proj.weight"] = (1280, 3)
    torch.save({"model": {name: torch.zeros(shape) for name, shape in huge.items()}}, folder / "huge.pth")
    config = Release(str(folder / "huge.pth")).read(["data.workers=3"])
    assert (config.model, config.data.frames, config.data.workers) == (VideoMAEConfig.huge(), 16, 3)


def test_another_size_is_named(egovlp, tokenizer, folder):
    assert "egovlp of width 128; there are sizes of 768" in one_line(egovlp[1])
    sizes = RECIPES["egovlp-tiny"]().model
    deep = drawn(EgoVLP, replace(sizes, video=replace(sizes.video, depth=5)))
    torch.save(egovlp_state(deep), folder / "deep.pth")
    said = one_line(folder / "deep.pth", recipe="egovlp-tiny", tokenizer=tokenizer)
    assert "tensors have no place in a layer" in said
    assert "video.blocks.3." in said


def test_what_is_not_whole_is_named(egovlp, tokenizer, folder):
    options = {"recipe": "egovlp-tiny", "tokenizer": tokenizer}
    state = egovlp_state(egovlp[0])
    del state["module.video_model.blocks.1.norm2.bias"]
    torch.save({"state_dict": state}, folder / "missing.pth")
    said = one_line(folder / "missing.pth", **options)
    assert "1 of the" in said
    assert "video.blocks.1.norm2.bias is one" in said
    (folder / "cut.pth").write_bytes(egovlp[1].read_bytes()[:-5000])
    assert "not a whole one" in one_line(folder / "cut.pth", **options)
    (folder / "cut.npz").write_bytes(b"PK\x03\x04 cut")
    assert "not a whole one" in one_line(folder / "cut.npz")
    assert "no such file" in one_line(folder / "gone.pth")


def test_a_hostile_pickle_is_not_run(egovlp, folder):
    path = folder / "hostile.pth"
    write_with_objects("command", egovlp_state(egovlp[0]), path, folder)
    assert "cannot be read without running its code" in one_line(path, recipe="egovlp-tiny")
    assert not path.with_name(path.name + ".victim").exists()


def test_a_tokenizer_that_is_not_there_is_asked_for(egovlp, folder):
    said = one_line(egovlp[1], recipe="egovlp-tiny", tokenizer=folder / "gone")
    assert "tokenizer=FOLDER" in said
    release = Release(str(egovlp[1]), "egovlp-tiny")
    assert release.read([]).tokenizer == "distilbert-base-uncased"
    with pytest.raises(InputError, match="name their tokenizer, tokenizer=FOLDER"):
        release.read(["tokenizer="])


def unreachable(*_, **__):
    raise OSError("no network")


def test_without_a_network_a_name_of_the_hub_is_one_line(egovlp, monkeypatch):
    monkeypatch.setattr(egocurate.models.weights, "hf_hub_download", unreachable)
    monkeypatch.setattr(egocurate.models.tokenizer.AutoTokenizer, "from_pretrained", unreachable)
    assert "no such file or folder, and the hub does not give it" in one_line("runs/mistyped")
    said = one_line(egovlp[1], recipe="egovlp-tiny")
    assert "tokenizer 'distilbert-base-uncased'" in said
    assert "tokenizer=FOLDER" in said


def test_a_run_has_its_own_recipe(tmp_path):
    assert "a run has the recipe that it was trained with" in one_line(tmp_path, recipe="egovlp")


def test_a_release_of_egovlp_learned_from_raw_texts(egovlp, tokenizer):
    release = Release(str(egovlp[1]), "egovlp-tiny")
    assert release.read([f"tokenizer={tokenizer}"]).data.text == "raw"
    assert release.read([f"tokenizer={tokenizer}", "data.text=normalized"]).data.text == "normalized"
    assert RECIPES["egovlp-tiny"]().data.text == RECIPES["egovlp"]().data.text == "normalized"
