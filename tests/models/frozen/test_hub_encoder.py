"""Encoders of transformers from folders: their own forward pass, and folders that cannot be used, in one line each."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import egocurate.models.frozen.folder
import egocurate.models.frozen.hub_encoder
from egocurate.errors import InputError
from egocurate.models.frozen.encoder import CLIP_PIXELS, Pixels
from egocurate.models.frozen.folder import find_folder, read_pixels
from egocurate.models.frozen.hub_encoder import HubEncoder, frozen_config
from egocurate.models.frozen.kinds import KINDS
from tests.models.frozen.tiny_encoders import (
    ALL_KINDS,
    CONFIGS,
    DUAL,
    PERCEPTION,
    expected_embedding,
    needs_timm,
    pixels,
    write_encoder,
)

torch.set_num_threads(1)
TUBELET = {"vjepa2": 2, "videomae": 2}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of encoders by kind, each with the model that is in it."""
    made = {}

    def folder_of(kind):
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            made[kind] = folder, write_encoder(kind, folder)
        return made[kind]

    return folder_of


def clips(size=32):
    return torch.randint(0, 256, (2, 4, 3, size, size), generator=torch.Generator().manual_seed(1)).byte()


def read(folder):
    return HubEncoder(frozen_config(folder))


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_an_encoder_gives_what_transformers_own_forward_pass_gives(folders, kind):
    folder, theirs = folders(kind)
    ours, frames = read(folder), clips()
    tokens, clip = ours(ours.normalize(frames))
    torch.testing.assert_close(clip, expected_embedding(kind, theirs, frames), rtol=1e-5, atol=1e-5)
    assert clip.shape == (2, ours.sizes.embedding)
    assert tokens.shape == (2, 4 // TUBELET.get(kind, 1) * 16, ours.sizes.width)
    assert not any(parameter.requires_grad for parameter in ours.parameters())
    assert not ours.training


@pytest.mark.parametrize("kind", DUAL)
def test_texts_are_embedded_as_transformers_does(folders, kind):
    folder, theirs = folders(kind)
    ids = torch.tensor([[1, 5, 9, 63, 0, 0, 0, 0], [1, 7, 63, 0, 0, 0, 0, 0]])
    mask = (ids > 0).long()
    ours = read(folder)
    for row in range(2):
        length = 8 if ours.sizes.pads_texts else int(mask[row].sum())  # SigLIP's reads its padding, CLIP's does not
        expected = theirs.get_text_features(ids[row : row + 1, :length]).pooler_output
        torch.testing.assert_close(ours.encode_text(ids, mask)[row : row + 1], expected, rtol=1e-5, atol=1e-5)
        states = theirs.text_model(ids[row : row + 1, :length]).last_hidden_state[0]
        torch.testing.assert_close(ours.encode_tokens(ids, mask)[row, :length], states, rtol=1e-5, atol=1e-5)


def test_tokens_stand_by_time_row_and_column(folders):
    folder, theirs = folders("dinov3_vit")
    ours, frames = read(folder), clips()
    pixels = ours.normalize(frames)
    expected = theirs(pixels[1, 2][None]).last_hidden_state[0, 4:]  # after [CLS] and three registers
    torch.testing.assert_close(ours(pixels).tokens[1, 2 * 16 : 3 * 16], expected, rtol=1e-5, atol=1e-5)


@needs_timm
@pytest.mark.parametrize("kind", PERCEPTION)
def test_texts_and_places_of_perception_encoder_are_those_of_transformers(folders, kind):
    folder, theirs = folders(kind)
    theirs = theirs.video_model if kind == "pe_audio_video" else theirs
    ours, frames = read(folder), clips()
    ids = torch.tensor([[1, 5, 9, 63, 0, 0], [1, 7, 63, 3, 4, 5]])
    found = theirs(input_ids=ids, attention_mask=ids.ne(0).long(), pixel_values_videos=pixels(frames))
    torch.testing.assert_close(ours.encode_text(ids, ids.ne(0).long()), found.text_video_embeds, rtol=1e-5, atol=1e-5)
    states = theirs.text_model(ids, attention_mask=ids.ne(0).long()).last_hidden_state
    torch.testing.assert_close(ours.encode_tokens(ids, ids.ne(0).long()), states, rtol=1e-5, atol=1e-5)
    images = theirs.video_encoder.embedder.vision_model.timm_model
    expected = images.forward_features(pixels(frames)[1])[:, 1:].flatten(0, 1)
    torch.testing.assert_close(ours(ours.normalize(frames)).tokens[1], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("broken", [ImportError("No module named 'timm'"), RuntimeError("no torchvision::nms")])
@pytest.mark.parametrize("kind", PERCEPTION)
def test_an_encoder_without_the_package_that_it_is_made_with_says_what_to_install(tmp_path, monkeypatch, kind, broken):
    def raises(name):
        assert name == "timm"
        raise broken

    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    monkeypatch.setattr(egocurate.models.frozen.hub_encoder, "import_module", raises)
    said = refused(tmp_path)
    assert f"{kind} is made with timm, which cannot be imported ({broken}): pip install 'egocurate[timm]'" in said


FIXED = ("videomae", "videoprism_vision_model", *PERCEPTION)


@pytest.mark.parametrize("kind", [kind for kind in CONFIGS if kind not in FIXED])
def test_frames_of_another_size_are_seen_too(folders, kind):
    ours = read(folders(kind)[0])
    ours.sizes.check(48, 2)
    tokens, clip = ours(ours.normalize(clips(48)[:, :2]))
    assert tokens.shape[1] == 2 // TUBELET.get(kind, 1) * 36
    assert clip.isfinite().all()


@pytest.mark.parametrize(
    ("kind", "size", "frames", "words"),
    [
        pytest.param("pe_video", 48, 4, "this encoder takes 32 alone", marks=needs_timm),
        ("videomae", 48, 4, "this encoder takes 32 alone"),
        ("videomae", 32, 8, "this encoder takes 4 alone"),
        ("vjepa2", 32, 3, "reads 2 at a time"),
        ("clip", 30, 4, "not a multiple of this encoder's patch of 8; take 24"),
    ],
)
def test_clips_that_an_encoder_does_not_take(folders, kind, size, frames, words):
    with pytest.raises(InputError, match=words):
        read(folders(kind)[0]).sizes.check(size, frames)


def test_pixels_are_those_of_the_folder(folders, tmp_path):
    levels = torch.full((1, 1, 3, 32, 32), 51, dtype=torch.uint8)
    seen = read(folders("clip")[0]).normalize(levels)[0, 0, :, 0, 0]
    torch.testing.assert_close(seen, torch.tensor([-1.5, -2 / 3, -0.4]))
    assert read_pixels(tmp_path, CLIP_PIXELS) == CLIP_PIXELS  # nothing is said there
    said = {"do_normalize": False, "do_center_crop": True, "crop_size": 24, "size": {"shortest_edge": 28}}
    (tmp_path / "video_preprocessor_config.json").write_text(json.dumps(said))
    assert read_pixels(tmp_path, CLIP_PIXELS) == Pixels(size=24)
    (tmp_path / "video_preprocessor_config.json").unlink()
    part = {"image_mean": 0.5, "image_std": 0.5, "rescale_factor": 0.5, "size": {"height": 28, "width": 28}}
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": part}))
    assert read_pixels(tmp_path, CLIP_PIXELS) == Pixels(0.5, (0.5,) * 3, (0.5,) * 3, 28)
    for wrong in (
        {"image_mean": "half"},
        {"image_std": [1, 2]},
        {"image_std": 0},
        {"rescale_factor": [1]},
        {"size": "L"},
    ):
        (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": wrong}))
        with pytest.raises(InputError, match=r"preprocessor_config.json cannot be used"):
            read_pixels(tmp_path, CLIP_PIXELS)


def refused(folder):
    with pytest.raises(InputError) as raised:
        read(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def copied(folders, tmp_path):
    """A folder of an image encoder to be spoilt."""
    return shutil.copytree(folders("dinov3_vit")[0], tmp_path / "copied")


def test_what_is_not_whole_is_named(copied):
    state = load_file(copied / "model.safetensors")
    name = sorted(state)[3]
    save_file(
        {key: value for key, value in state.items() if key != name}, copied / "model.safetensors", {"format": "pt"}
    )
    said = refused(copied)
    assert "1 of the" in said
    assert f"{name} is one: take the whole release" in said
    (copied / "model.safetensors").write_bytes((copied / "model.safetensors").read_bytes()[:-100])
    assert "cannot be read as DINOv3ViTModel" in refused(copied)
    save_file({key: value[:1] for key, value in state.items()}, copied / "model.safetensors", {"format": "pt"})
    assert "cannot be read as DINOv3ViTModel" in refused(copied)


def test_pickled_weights_are_refused(copied):
    (copied / "model.safetensors").unlink()
    torch.save({}, copied / "pytorch_model.bin")
    said = refused(copied)
    assert "no model.safetensors" in said
    assert "save_pretrained them anew" in said


def test_code_of_a_folder_is_not_run(copied):
    config = json.loads((copied / "config.json").read_text())
    (copied / "evil.py").write_text("open('victim', 'w')\nclass Evil: pass\n")
    config["auto_map"] = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}
    (copied / "config.json").write_text(json.dumps(config))
    assert read(copied).sizes.width == 16
    assert not (copied / "victim").exists()


def test_a_config_that_cannot_be_used_is_named(copied):
    config = json.loads((copied / "config.json").read_text())
    for changed, words in (
        ({"model_type": "convnext"}, f"model_type 'convnext' is not known; there are {', '.join(KINDS)}"),
        ({"model_type": None}, "model_type 'None' is not known"),
        ({"hidden_size": "wide"}, "its config.json is none of dinov3_vit"),
        ({"hidden_size": 20}, "cannot be read as DINOv3ViTModel"),
    ):
        (copied / "config.json").write_text(json.dumps(config | changed))
        assert words in refused(copied)
    for text in ("[1]", "{", '{"model_type": "clip"} x'):
        (copied / "config.json").write_text(text)
        assert "config.json cannot be read" in refused(copied)


def test_a_folder_of_something_else_is_none(tmp_path):
    assert frozen_config(tmp_path) is None
    (tmp_path / "config.json").write_text("{}")
    assert frozen_config(tmp_path) is None
    assert frozen_config(tmp_path / "weights.safetensors") is None


def test_a_hub_name_is_asked_for_no_code_and_no_pickles(folders, monkeypatch):
    asked = {}

    def download(name, allow_patterns):
        asked[name] = allow_patterns
        return str(folders("clip")[0])

    monkeypatch.setattr(egocurate.models.frozen.folder, "snapshot_download", download)
    assert find_folder("openai/clip-vit-base-patch16") == folders("clip")[0]
    assert asked == {"openai/clip-vit-base-patch16": ["*.json", "*.safetensors", "*.txt", "*.model"]}


def test_without_a_network_a_hub_name_is_one_line(monkeypatch):
    def unreachable(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(egocurate.models.frozen.folder, "snapshot_download", unreachable)
    with pytest.raises(InputError, match="'owner/name': no such file or folder, and the hub does not give it"):
        find_folder("owner/name")
