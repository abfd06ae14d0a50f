"""VideoMAE against transformers on equal weights, against loops in float64, and as one graph."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from transformers import VideoMAEConfig as PublishedConfig
from transformers import VideoMAEForPreTraining, VideoMAEForVideoClassification

from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.classifier.model import Classifier
from egocurate.models.classifier.weights import LABEL, classifier_names
from egocurate.models.layers.patches import cubes, pick_tokens, sine_cosine, tube_mask, tube_tokens
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videomae.mean_guesses import MeanGuesses
from egocurate.models.videomae.model import IMAGENET_STD, VideoMAE, draw_mask, pixel_target
from egocurate.models.videomae.weights import load_videomae, videomae_names
from egocurate.models.weights import load_state, read_weights

torch.set_num_threads(1)
TINY = VideoMAEConfig.tiny()
MEAN = (0.485, 0.456, 0.406)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(batch, count, seed=0):
    return torch.rand(batch, count, generator=seeded(seed))


def randomise(module, seed=0):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(seed := seed + 1)) * 0.2)
    return module.eval()


def published(kind, mean_pooling):
    """transformers' model of TINY's size with random weights and LayerNorms all at 1e-6, as the release has them."""
    config = PublishedConfig(
        image_size=32,
        patch_size=8,
        num_frames=4,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=192,
        decoder_hidden_size=24,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=96,
        layer_norm_eps=1e-6,
        use_mean_pooling=mean_pooling,
        num_labels=5,
    )
    model = randomise(kind(config))
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 1e-6
    return model


def as_bool(masked):
    return torch.zeros(len(masked), TINY.slots * TINY.places, dtype=torch.bool).scatter(1, masked, True)


def classifier(config, classes):
    return Classifier(ClassifierConfig(config), {LABEL: classes})


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_pretraining_equals_transformers():
    theirs = published(VideoMAEForPreTraining, mean_pooling=False)
    ours = VideoMAE(TINY).eval()
    ours.load_state_dict(videomae_names(theirs.state_dict()))
    frames = torch.randn(3, 4, 3, 32, 32, generator=seeded())
    visible, masked = draw_mask(TINY, noise(3, TINY.places))
    expected = theirs(frames, as_bool(masked))
    loss, prediction = ours(frames, visible, masked)
    torch.testing.assert_close(prediction, expected.logits, atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(loss, expected.loss, atol=1e-5, rtol=1e-5)
    expected.loss.backward()
    loss.backward()
    gradients = videomae_names({name: p.grad for name, p in theirs.named_parameters()})
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-5, rtol=1e-3, msg=name)


def test_classifier_equals_transformers():
    theirs = published(VideoMAEForVideoClassification, mean_pooling=True)
    ours = classifier(TINY, 5).eval()
    ours.load_state_dict(classifier_names(theirs.state_dict()))
    frames = torch.randn(3, 4, 3, 32, 32, generator=seeded())
    torch.testing.assert_close(ours(frames)[LABEL], theirs(frames).logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("config", "pretraining", "tuned"),
    [
        (VideoMAEConfig.small(), 24.03, 22.0),
        (VideoMAEConfig.base(), 94.21, 86.5),
        (VideoMAEConfig.large(), 317.78, 304.3),
        (VideoMAEConfig.huge(), 653.10, 632.1),
    ],
)
def test_published_sizes(config, pretraining, tuned):
    """Millions of parameters; the classifiers are those of Kinetics-400."""
    with torch.device("meta"):
        assert round(count(VideoMAE(config)) / 1e6, 2) == pretraining
        assert round(count(classifier(config, 400)) / 1e6, 1) == tuned


@pytest.mark.parametrize("mask", ["tube", "random", "frame"])
def test_masks_hide_what_they_are_called_by(mask):
    config = replace(TINY, frames=8, mask_ratio=0.75, mask=mask)
    visible, masked = draw_mask(config, noise(3, config.mask_draws))
    hidden = torch.zeros(3, config.slots * config.places, dtype=torch.bool).scatter(1, masked, True)
    assert not hidden.gather(1, visible).any()
    assert hidden.float().mean(1).tolist() == [0.75] * 3
    by_time = hidden.unflatten(1, (config.slots, config.places))
    same_places, whole_times = (by_time == by_time[:, :1]).all(), (by_time == by_time[:, :, :1]).all()
    assert (same_places.item(), whole_times.item()) == (mask == "tube", mask == "frame")
    model, frames = VideoMAE(config), torch.randn(3, 8, 3, 32, 32, generator=seeded())
    assert model(frames, visible, masked)[0].isfinite()


def test_what_is_seen_stays_and_a_perfect_guess_is_the_clip():
    model, frames = VideoMAE(TINY).eval(), torch.randn(2, 4, 3, 32, 32, generator=seeded())
    visible, masked = draw_mask(TINY, noise(2, TINY.places))
    gray, filled = model.fill_in(frames, visible, masked)
    parts = cubes(frames, TINY.tubelet, TINY.patch)
    for shown in (gray, filled):
        found = cubes(shown, TINY.tubelet, TINY.patch)
        assert torch.equal(pick_tokens(found, visible), pick_tokens(parts, visible))
    assert not pick_tokens(cubes(gray, TINY.tubelet, TINY.patch), masked).any()
    model.predict = lambda *_: pixel_target(pick_tokens(parts, masked))
    torch.testing.assert_close(model.fill_in(frames, visible, masked)[1], frames, atol=1e-4, rtol=0)


def test_base_sees_160_cubes():
    visible, masked = draw_mask(VideoMAEConfig.base(), noise(2, 196))
    assert visible.shape == (2, 160)
    assert masked.shape == (2, 1408)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(2, 30), st.integers(1, 5), st.data())
def test_tube_mask_parts_the_places_and_is_the_same_at_all_times(batch, places, slots, data):
    hidden = data.draw(st.integers(1, places - 1))
    seed = data.draw(st.integers(0, 99))
    visible, masked = tube_mask(noise(batch, places, seed), hidden)
    again = tube_mask(noise(batch, places, seed), hidden)
    assert torch.equal(visible, again[0])
    assert torch.equal(masked, again[1])
    assert masked.shape == (batch, hidden)
    tokens = tube_tokens(visible, slots, places)
    for clip in range(batch):
        seen, gone = visible[clip].tolist(), masked[clip].tolist()
        assert seen == sorted(seen)
        assert gone == sorted(gone)
        assert sorted(seen + gone) == list(range(places))
        assert tokens[clip].tolist() == [slot * places + place for slot in range(slots) for place in seen]


def test_tube_mask_hides_every_place_equally_often():
    _, masked = tube_mask(noise(4000, 10), 3)
    share = torch.bincount(masked.flatten(), minlength=10) / 4000
    assert (share - 0.3).abs().max() < 0.035  # five standard deviations


def test_equal_numbers_hide_the_lower_place():
    visible, masked = tube_mask(torch.tensor([[0.5, 0.5, 0.1, 0.5]]), 2)
    assert (visible.tolist(), masked.tolist()) == ([[1, 3]], [[0, 2]])


def test_tube_mask_refuses_to_hide_all_or_nothing():
    for hidden in (0, 4):
        with pytest.raises(ValueError, match=f"{hidden} of 4 places"):
            tube_mask(noise(1, 4), hidden)


def test_positions_equal_the_formula():
    table = sine_cosine(7, 6)[0]
    for position in range(7):
        for j in range(6):
            angle = position / 10000 ** (2 * (j // 2) / 6)
            assert table[position, j].item() == pytest.approx(np.cos(angle) if j % 2 else np.sin(angle), abs=1e-7)


def naive_loss(frames, masked, prediction, depth, side):
    """The paper's loss on normalized frames of one clip: pixels restored to [0, 1], cube by cube, color by color."""
    pixels = frames * torch.tensor(IMAGENET_STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]
    row = frames.shape[-1] // side
    total = 0.0
    for place, values in zip(masked.tolist(), prediction, strict=True):
        time, rest = divmod(place, row * row)
        top, left = divmod(rest, row)
        cube = pixels[time * depth :, :, top * side :, left * side :][:depth, :, :side, :side]
        for color in range(3):
            x = [cube[t, color, y, x] for t in range(depth) for y in range(side) for x in range(side)]
            mean = sum(x) / len(x)
            std = (sum((one - mean) ** 2 for one in x) / (len(x) - 1)) ** 0.5
            for i, one in enumerate(x):
                total = total + (values[3 * i + color] - (one - mean) / (std + 1e-6)) ** 2
    return total / prediction.numel()


def test_loss_and_gradient_equal_a_loop():
    frames = torch.randn(2, 2, 3, 4, 4, generator=seeded(), dtype=torch.float64)
    # Nearly flat, where the 1e-6 decides; and flat in one color.
    frames[1] = frames[1] * 1e-6
    frames[1, :, 0] = 0.25
    masked = torch.tensor([[0, 3], [1, 2]])
    ours = torch.randn(2, 2, 24, generator=seeded(1), dtype=torch.float64, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    loss = torch.nn.functional.mse_loss(ours, pixel_target(pick_tokens(cubes(frames, 2, 2), masked)))
    expected = sum(naive_loss(*clip, 2, 2) for clip in zip(frames, masked, theirs, strict=True)) / 2
    torch.testing.assert_close(loss, expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(
        torch.autograd.grad(loss, ours), torch.autograd.grad(expected, theirs), atol=1e-6, rtol=0
    )


def test_hidden_pixels_do_not_reach_the_prediction():
    model = randomise(VideoMAE(TINY))
    frames = torch.randn(1, 4, 3, 32, 32, generator=seeded())
    visible, masked = draw_mask(TINY, noise(1, TINY.places))
    parts = cubes(frames, TINY.tubelet, TINY.patch)
    changed = parts.clone()
    changed[0, masked[0]] += 1.0
    torch.testing.assert_close(
        model.predict(changed, visible, masked), model.predict(parts, visible, masked), atol=0, rtol=0
    )
    changed[0, visible[0, 0]] += 1.0
    assert (model.predict(changed, visible, masked) - model.predict(parts, visible, masked)).abs().max() > 1e-3


def test_bfloat16_stays_near_float32():
    model = randomise(VideoMAE(TINY))
    frames = torch.randn(2, 4, 3, 32, 32, generator=seeded())
    mask = draw_mask(TINY, noise(2, TINY.places))
    with torch.autocast("cpu", torch.bfloat16):
        loss, prediction = model(frames, *mask)
    assert prediction.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, model(frames, *mask)[0], atol=0, rtol=0.02)


def test_training_step_is_one_graph():
    """fullgraph raises at the first graph break; the second mask must not need a second graph."""
    graphs = []

    def keep(graph, inputs):
        graphs.append(graph)
        return graph

    model = VideoMAE(TINY)
    frames = torch.randn(2, 4, 3, 32, 32, generator=seeded())
    compiled = torch.compile(model, fullgraph=True, backend=keep)
    for seed in (0, 1):
        mask = draw_mask(TINY, noise(2, TINY.places, seed))
        loss, _ = compiled(frames, *mask)
        torch.testing.assert_close(loss, model(frames, *mask)[0])
        loss.backward()
    assert len(graphs) == 1


def test_learns_to_restore_a_clip():
    torch.manual_seed(0)
    model = VideoMAE(TINY)
    frames = torch.nn.functional.interpolate(torch.randn(4, 3, 3, 3, generator=seeded()), size=32, mode="bilinear")
    frames = frames[:, None].expand(-1, 4, -1, -1, -1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses = []
    for step in range(300):
        optimizer.zero_grad()
        loss, _ = model(frames, *draw_mask(TINY, noise(4, TINY.places, step)))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.95
    assert np.mean(losses[-10:]) < 0.5


def test_checkpoints_load_in_both_spellings(tmp_path):
    theirs = published(VideoMAEForPreTraining, mean_pooling=False)
    save_file(theirs.state_dict(), tmp_path / "transformers.safetensors")
    ours = VideoMAE(TINY)
    report = load_videomae(ours, str(tmp_path / "transformers.safetensors"))
    assert report.missing == report.unused == []
    torch.save({"model": ours.state_dict(), "epoch": 800}, tmp_path / "release.pth")
    tuned = classifier(TINY, 5)
    report = load_state(tuned, classifier_names(read_weights(str(tmp_path / "release.pth"))), "release.pth")
    assert report.missing == ["norm.bias", "norm.weight", "scores.label.bias", "scores.label.weight"]
    assert {name for name in report.unused if not name.startswith("decoder.")} == {
        *("backbone.norm.bias", "backbone.norm.weight", "encoder_to_decoder.weight", "mask_token"),
    }
    assert torch.equal(
        tuned.backbone.blocks[1].attn.q_bias, theirs.videomae.encoder.layer[1].attention.attention.query.bias
    )


def test_names_are_those_of_the_release():
    parts = ["norm1", "norm2", "mlp.fc1", "mlp.fc2", "attn.proj"]
    block = {f"{part}.{kind}" for part in parts for kind in ("weight", "bias")}
    block |= {"attn.qkv.weight", "attn.q_bias", "attn.v_bias"}
    rest = {"mask_token", "encoder_to_decoder.weight"}
    for part in ("encoder.patch_embed.proj", "encoder.norm", "decoder.norm", "decoder.head"):
        rest |= {f"{part}.weight", f"{part}.bias"}
    stems = ("encoder.blocks.0.", "encoder.blocks.1.", "decoder.blocks.0.")
    assert set(VideoMAE(TINY).state_dict()) == rest | {stem + name for stem in stems for name in block}


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match=r"\(2, 3, 32, 32\), but the config says \(4, 3, 32, 32\)"):
        classifier(TINY, 2)(torch.zeros(1, 2, 3, 32, 32))
    with pytest.raises(ValueError, match="do not divide into cubes of 2x8x8"):
        cubes(torch.zeros(1, 3, 3, 32, 32), 2, 8)
    with pytest.raises(ValueError, match="3 frames of 32 pixels do not divide into cubes of 2 frames of 8"):
        VideoMAE(replace(TINY, frames=3))
    with pytest.raises(ValueError, match="0 of 16 places hidden"):
        VideoMAE(replace(TINY, mask_ratio=0.05))
    with pytest.raises(ValueError, match="multiple of heads=5"):
        VideoMAE(VideoMAEConfig(width=48, heads=5))


def test_mean_guesses_are_those_of_a_loop_over_all_clips():
    """Over the whole of a small world they are unbiased: their mean over many samples is the loss with its means."""
    config = VideoMAEConfig.tiny()
    torch.manual_seed(0)
    scene = torch.randn(1, 4, 3, 32, 32)
    world = scene + 0.5 * torch.randn(6, 1, 3, 32, 32) + 0.5 * torch.randn(6, 4, 3, 32, 32)
    target = pixel_target(cubes(world, config.tubelet, config.patch)).double().unflatten(1, (2, config.places))
    place_and_time = (target - target.mean(0)).square().mean().item()
    place = (target - target.mean((0, 1))).square().mean().item()
    assert place > place_and_time

    found = {"mean_of_place": [], "mean_of_place_and_time": []}
    for first in range(6):
        for second in range(6):  # drawn with replacement, as from a large set
            guesses = MeanGuesses(config, torch.device("cpu"))
            for clip in (first, second):
                guesses.add(world[clip : clip + 1])
            for name, loss in guesses.losses().items():
                found[name].append(loss)
    means = {name: sum(losses) / len(losses) for name, losses in found.items()}
    assert means == pytest.approx({"mean_of_place": place, "mean_of_place_and_time": place_and_time}, rel=1e-9)
