"""VideoMAE fine-tuned to classify: features and logits, in both spellings."""

import pytest
import torch
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

from egocurate.errors import InputError
from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.classifier.model import Classifier
from egocurate.models.classifier.weights import LABEL, classifier_names
from egocurate.models.frozen.config import FrozenConfig
from egocurate.models.frozen.released import build_released, released_sizes
from egocurate.models.released_names import recognize
from egocurate.models.videomae.config import VideoMAEConfig as OurConfig

torch.set_num_threads(1)
KIND = "videomae-classifier"
SIZES = {"image_size": 32, "patch_size": 8, "num_frames": 4, "hidden_size": 128, "num_hidden_layers": 2}
SIZES |= {"num_attention_heads": 2, "intermediate_size": 512, "layer_norm_eps": 1e-6, "num_labels": 5}


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(2)
    model = VideoMAEForVideoClassification(VideoMAEConfig(**SIZES)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


def release_of(model):
    """The tensors of transformers' model under the release's names."""
    config = OurConfig(image=32, patch=8, frames=4, width=128, depth=2, heads=2)
    state = model.state_dict()
    named = {"fc_norm.weight": state["fc_norm.weight"], "fc_norm.bias": state["fc_norm.bias"]}
    for part in ("weight", "bias"):
        named[f"head.{part}"] = state[f"classifier.{part}"]
        named[f"patch_embed.proj.{part}"] = state[f"videomae.embeddings.patch_embeddings.projection.{part}"]
    for index in range(2):
        block, own = f"videomae.encoder.layer.{index}", f"blocks.{index}"
        attention = f"{block}.attention.attention"
        named[f"{own}.attn.qkv.weight"] = torch.cat(
            [state[f"{attention}.{n}.weight"] for n in ("query", "key", "value")]
        )
        named[f"{own}.attn.q_bias"] = state.get(f"{attention}.query.bias", state.get(f"{attention}.q_bias"))
        named[f"{own}.attn.v_bias"] = state.get(f"{attention}.value.bias", state.get(f"{attention}.v_bias"))
        pairs = {"attn.proj": "attention.output.dense", "norm1": "layernorm_before", "norm2": "layernorm_after"}
        pairs |= {"mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense"}
        for ours, their in pairs.items():
            for part in ("weight", "bias"):
                named[f"{own}.{ours}.{part}"] = state[f"{block}.{their}.{part}"]
    assert classifier_names(named).keys() == Classifier(ClassifierConfig(config), {LABEL: 5}).state_dict().keys()
    return named


@torch.no_grad()
def test_both_spellings_give_what_transformers_gives(theirs, tmp_path):
    torch.save({"module": release_of(theirs), "epoch": 75}, tmp_path / "release.pth")
    theirs.save_pretrained(tmp_path / "folder")
    frames = torch.randint(0, 256, (2, 4, 3, 32, 32)).byte()
    for source in (tmp_path / "release.pth", tmp_path / "folder"):
        ours = build_released(FrozenConfig(str(source), KIND), 32, 4)
        pixels = ours.normalize(frames)
        torch.testing.assert_close(ours.logits(pixels), theirs(pixels).logits, rtol=1e-4, atol=1e-4)
        expected = theirs.fc_norm(theirs.videomae(pixels).last_hidden_state.mean(1))
        torch.testing.assert_close(ours.embed(pixels), expected, rtol=1e-4, atol=1e-4)
    mean = ours.normalize(torch.tensor([123.675, 116.28, 103.53])[:, None, None])
    assert mean.abs().max() < 1e-5


def test_other_frames_and_sizes_have_positions_too(theirs, tmp_path):
    theirs.save_pretrained(tmp_path)
    config = FrozenConfig(str(tmp_path), KIND)
    sizes = released_sizes(config)
    assert (sizes.image, sizes.frames, sizes.tubelet, sizes.patch, sizes.embedding) == (224, 16, 2, 8, 128)
    ours = build_released(config, 48, 2)
    assert ours.embed(torch.zeros(1, 2, 3, 48, 48)).shape == (1, 128)
    with pytest.raises(InputError, match="reads 2 at a time"):
        build_released(config, 32, 3)


def test_what_is_not_whole_is_one_line(theirs, tmp_path):
    state = release_of(theirs)
    assert recognize(state) == recognize(theirs.state_dict()) == KIND
    for name, words in (("blocks.1.norm2.bias", "1 of the"), ("patch_embed.proj.weight", "is missing")):
        torch.save({key: value for key, value in state.items() if key != name}, tmp_path / "w.pth")
        with pytest.raises(InputError, match=words):
            build_released(FrozenConfig(str(tmp_path / "w.pth"), KIND), 32, 4)
    torch.save(state | {"blocks.1.attn.k_bias": torch.zeros(128)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="have no place in a layer"):
        build_released(FrozenConfig(str(tmp_path / "w.pth"), KIND), 32, 4)
