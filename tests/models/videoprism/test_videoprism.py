"""VideoPrism's towers against transformers on equal weights and against loops; sizes; checkpoints."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import VideoPrismClipModel, VideoPrismTextConfig, VideoPrismVisionConfig
from transformers import VideoPrismConfig as PublishedConfig

from egocurate.models.layers.patches import tube_mask, tube_tokens
from egocurate.models.layers.pooling import AttentionPool
from egocurate.models.losses.info_nce import info_nce
from egocurate.models.videoprism.config import EncoderConfig, VideoPrismConfig
from egocurate.models.videoprism.encoder import FactorizedEncoder
from egocurate.models.videoprism.model import PrismVideoTower, VideoPrism, sine_then_cosine
from egocurate.models.videoprism.weights import load_videoprism, read_array_shapes, videoprism_names

torch.set_num_threads(1)
_TINY = VideoPrismConfig.tiny()
# A cap that binds on random weights
TINY = replace(_TINY, encoder=replace(_TINY.encoder, cap=2.0), text=replace(_TINY.text, cap=2.0))
IDS = torch.tensor([[5, 9, 8, 3, 0, 0], [7, 1, 60, 33, 2, 4], [1, 0, 0, 0, 0, 0]])
MASK = (IDS != 0).long()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(batch, count, seed=0):
    return torch.rand(batch, count, generator=seeded(seed))


def randomise(module, seed=0, size=0.2):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(seed := seed + 1)) * size)
    return module.eval()


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def published():
    """transformers' video-text model of TINY's size with random weights, and the release's positions of texts."""
    sizes = {"hidden_size": 48, "num_attention_heads": 4, "intermediate_size": 192, "attn_logit_softcapping": 2.0}
    vision = VideoPrismVisionConfig(
        image_size=36, num_frames=4, tubelet_size=(1, 9, 9), num_spatial_layers=2, num_temporal_layers=1, **sizes
    )
    text = VideoPrismTextConfig(vocab_size=64, num_hidden_layers=2, max_position_embeddings=8, **sizes)
    config = PublishedConfig(text_config=text.to_dict(), vision_config=vision.to_dict())
    config._attn_implementation = "eager"
    model = randomise(VideoPrismClipModel(config))
    model.text_model.embeddings.position_embedding.copy_(sine_then_cosine(8, 48)[0])
    return model


@pytest.fixture(scope="module")
def ours(published):
    model = VideoPrism(TINY).eval()
    model.load_state_dict(videoprism_names(published.state_dict(), model))
    return model


@pytest.mark.parametrize("frames", [4, 2, 7])
def test_encoder_equals_transformers(published, ours, frames):
    video = torch.rand(2, frames, 3, 36, 36, generator=seeded())
    expected = published.video_model.vision_model(video, interpolate_pos_encoding=True).last_hidden_state
    torch.testing.assert_close(ours.video.encoder(video), expected, atol=2e-5, rtol=1e-5)


def test_video_embedding_equals_transformers(published, ours):
    video = torch.rand(2, 4, 3, 36, 36, generator=seeded())
    expected = published.get_video_features(video).pooler_output[:, 0]
    torch.testing.assert_close(ours.encode_video(video), expected, atol=5e-6, rtol=1e-5)


def test_text_embedding_equals_transformers(published, ours):
    expected = published.get_text_features(IDS, attention_mask=MASK)
    torch.testing.assert_close(ours.encode_text(IDS, MASK), expected.pooler_output, atol=5e-6, rtol=1e-5)
    states = expected.last_hidden_state[:, :-1]  # the last one is the class token
    assert ours.encode_tokens(IDS, MASK).shape == states.shape
    torch.testing.assert_close(ours.encode_tokens(IDS, MASK)[MASK > 0], states[MASK > 0], atol=5e-6, rtol=1e-5)


def test_gradients_equal_those_of_transformers(published, ours):
    video = torch.rand(3, 4, 3, 36, 36, generator=seeded())
    theirs = published(video, input_ids=IDS, attention_mask=MASK)
    for model, (text, clip) in ((published, (theirs.text_embeds, theirs.video_embeds)), (ours, ours(IDS, MASK, video))):
        model.zero_grad()
        info_nce(text, clip, temperature=0.1).backward()
    gradients = {name: p.grad for name, p in published.named_parameters()}
    # Renaming adds 1 to norms' weights, as it should to weights and not to gradients.
    for name, gradient in videoprism_names(gradients, ours).items():
        own = ours.get_parameter(name).grad
        gradient = gradient - 1 if name.endswith(("norm.weight", "norm1.weight", "norm2.weight")) else gradient
        torch.testing.assert_close(own, gradient, atol=2e-5, rtol=1e-3, msg=name)


@pytest.mark.parametrize(
    ("config", "millions"),
    [(EncoderConfig.base(), 114.4), (EncoderConfig.large(), 354.0), (EncoderConfig.giant(), 1112.8)],
)
def test_published_sizes_of_the_encoder(config, millions):
    with torch.device("meta"):
        assert round(count(FactorizedEncoder(config)) / 1e6, 1) == millions


@pytest.mark.parametrize(("config", "millions"), [(VideoPrismConfig.base(), 248), (VideoPrismConfig.large(), 580)])
def test_published_sizes_with_text(config, millions):
    with torch.device("meta"):
        assert round(count(VideoPrism(config)) / 1e6) == millions


def test_dropped_places_leave_space_attention_among_the_rest():
    """With time attention silenced, a frame's kept tokens are those of a picture that has only them."""
    encoder = randomise(FactorizedEncoder(TINY.encoder))
    for block in encoder.time:
        torch.nn.init.zeros_(block.attn.proj.weight)
    frames = torch.rand(2, 4, 3, 36, 36, generator=seeded())
    visible, hidden = tube_mask(noise(2, 16), 9)
    kept = encoder(frames, visible)
    assert kept.shape == (2, 4 * 7, 48)
    blank = frames.clone()
    for clip, places in enumerate(hidden.tolist()):
        for row, column in (divmod(place, 4) for place in places):
            blank[clip, :, :, 9 * row :, 9 * column :][..., :9, :9] = 0.5
    torch.testing.assert_close(encoder(blank, visible), kept, atol=0, rtol=0)
    everything = torch.arange(16).expand(2, -1)
    torch.testing.assert_close(encoder(frames, everything), encoder(frames))
    assert (
        encoder(frames).gather(1, tube_tokens(visible, 4, 16)[..., None].expand(kept.shape)) - kept
    ).abs().max() > 0.01


def test_positions_of_texts_equal_the_release_s_formula():
    table = sine_then_cosine(5, 8)[0]
    for position in range(5):
        for j in range(4):
            angle = position * math.exp(-j * math.log(10000) / 3)
            assert table[position, j].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[position, 4 + j].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_bfloat16_stays_near_float32(ours):
    video = torch.rand(3, 4, 3, 36, 36, generator=seeded())
    with torch.autocast("cpu", torch.bfloat16):
        loss = info_nce(*ours(IDS, MASK, video))
    torch.testing.assert_close(loss, info_nce(*ours(IDS, MASK, video)), atol=0, rtol=0.05)


def test_text_does_not_look_ahead_or_at_padding(ours):
    alone = ours.encode_text(IDS[:1, :4], MASK[:1, :4])
    torch.testing.assert_close(ours.encode_text(IDS[:1], MASK[:1]), alone)
    other = IDS[:1].clone()
    other[0, 5] = 40
    torch.testing.assert_close(ours.encode_text(other, MASK[:1]), alone)
    assert ours.encode_text(IDS, MASK).isfinite().all()
    assert ours.encode_text(IDS[:1] * 0, MASK[:1] * 0).isfinite().all()  # an empty text


def test_frozen_encoder_lets_the_heads_learn():
    model = VideoPrism(TINY)
    model.freeze_encoder()
    info_nce(*model(IDS, MASK, torch.rand(3, 4, 3, 36, 36, generator=seeded()))).backward()
    with_gradient = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert with_gradient == {name for name, _ in model.named_parameters() if not name.startswith("video.encoder.")}


def test_first_stage_learns_to_tell_clips_apart():
    torch.manual_seed(0)
    model = VideoPrism(TINY)
    video = torch.rand(3, 1, 3, 1, 1, generator=seeded()).expand(-1, 4, -1, 36, 36)  # three colors
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for step in range(60):
        optimizer.zero_grad()
        visible, _ = tube_mask(noise(3, 16, step), 8)
        loss = info_nce(*model(IDS, MASK, video, visible))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.5
    assert losses[-1] < 0.2


def release_of(model):
    """The weights of a VideoPrism as the release lays them out: flax names, stacked layers, [in, out] kernels."""
    heads, arrays = TINY.encoder.heads, {}
    stacks = {
        "vision_encoder/spatial_encoder/transformers_stack": model.video.encoder.space,
        "vision_encoder/temporal_encoder/transformers_stack": model.video.encoder.time,
        "auxiliary_encoder/transformers_stack": model.video.auxiliary,
        "text_encoder/unimodal_transformer": model.text.blocks,
    }

    def norm(module):
        return {"scale": module.weight - 1, "bias": module.bias}

    def dense(module):
        return {"linear/kernel": module.weight.T, "linear/bias": module.bias}

    def split(weight, bias):  # [out, in] -> [in, H, h]
        return {"w": weight.T.reshape(weight.shape[1], heads, -1), "b": bias.view(heads, -1)}

    def post(module):  # [D, in] -> [D, H, h]
        return {"w": module.weight.reshape(len(module.weight), heads, -1), "b": module.bias}

    def put(stem, tensors):
        arrays.update({f"params/{stem}/{name}": value for name, value in tensors.items()})

    for stem, blocks in stacks.items():
        layers = []
        for block in blocks:
            attn, layer = block.attn, {}
            parts = zip(attn.qkv.weight.chunk(3), (attn.q_bias, attn.k_bias, attn.v_bias), strict=True)
            parts = dict(zip(("query", "key", "value"), parts, strict=True))
            pieces = {f"self_attention/{name}": split(*part) for name, part in parts.items()}
            pieces |= {"self_attention/post": post(attn.proj), "layer_norm": norm(block.norm1)}
            pieces |= {"ff_layer/layer_norm": norm(block.norm2)}
            pieces |= {"ff_layer/ffn_layer1": dense(block.mlp.fc1), "ff_layer/ffn_layer2": dense(block.mlp.fc2)}
            for name, tensors in pieces.items():
                layer |= {f"{name}/{kind}": value for kind, value in tensors.items()}
            layers.append(layer)
        put(f"{stem}/x_layers", {name: torch.stack([layer[name] for layer in layers]) for name in layers[0]})
    encoder, pool, text = model.video.encoder, model.video.pool, model.text
    kernel = encoder.patch_embed.proj.weight.permute(2, 3, 1, 0).flatten(0, 2)
    put("vision_encoder/patch_projection", {"linear/kernel": kernel, "linear/bias": encoder.patch_embed.proj.bias})
    put("vision_encoder/spatial_pos_emb", {"emb_var": encoder.pos_embed[0]})
    put("vision_encoder/temporal_pos_emb", {"emb_var": encoder.temporal_embed[0]})
    put("vision_encoder/spatial_ln", norm(encoder.space_norm))
    put("vision_encoder/temporal_ln", norm(encoder.time_norm))
    stem = "contrastive_vision_pooler/pooling_attention"
    put("contrastive_vision_pooler", {"pooling_attention_query": pool.query.view(-1)})
    put(f"{stem}/query", split(pool.q.weight, pool.q.bias))
    put(f"{stem}/key", split(pool.k.weight, torch.zeros(len(pool.k.weight))))
    put(f"{stem}/value", split(pool.v.weight, pool.v.bias))
    put(f"{stem}/post", post(pool.proj))
    put(f"{stem}/per_dim_scale", {"per_dim_scale": pool.scale})
    put(f"{stem}_layer_norm", norm(model.video.norm))
    put("text_encoder", {"cls_emb": text.cls_token})
    put("text_encoder/token_emb", {"emb_var": text.embed.weight})
    put("text_encoder/unimodal_ln", norm(text.norm))
    return {name: value.detach().numpy() for name, value in arrays.items()}


def test_release_loads(tmp_path, ours):
    arrays = release_of(ours)
    np.savez(tmp_path / "lvt.npz", **arrays)
    model = VideoPrism(TINY)
    report = load_videoprism(model, str(tmp_path / "lvt.npz"))
    assert report.missing == report.unused == []
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, msg=name)
    stem = "params/vision_encoder/"
    alone = {name.replace(stem, "params/"): value for name, value in arrays.items() if name.startswith(stem)}
    np.savez(tmp_path / "encoder.npz", **alone)
    encoder = FactorizedEncoder(TINY.encoder)
    report = load_videoprism(encoder, str(tmp_path / "encoder.npz"))
    assert report.missing == report.unused == []
    torch.testing.assert_close(encoder.state_dict(), ours.video.encoder.state_dict())


def test_shapes_of_a_release_are_read_without_its_values(tmp_path, ours):
    arrays = release_of(ours)
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "lvt.npz", **arrays)
        assert read_array_shapes(tmp_path / "lvt.npz") == {name: value.shape for name, value in arrays.items()}
    np.savez(tmp_path / "lvt.npz", **arrays)
    whole = (tmp_path / "lvt.npz").read_bytes()
    for content in (whole[:-100], whole.replace(b"NUMPY", b"NUMPX"), b"PK"):
        (tmp_path / "cut.npz").write_bytes(content)
        with pytest.raises(ValueError, match="not a whole one"):
            read_array_shapes(tmp_path / "cut.npz")
    # A value that is another than was written shows where values are read.
    at = whole.index(arrays["params/text_encoder/token_emb/emb_var"].tobytes())
    (tmp_path / "cut.npz").write_bytes(whole[:at] + b"?" + whole[at + 1 :])
    assert read_array_shapes(tmp_path / "cut.npz")
    with pytest.raises(ValueError, match="not a whole one"):
        load_videoprism(ours, str(tmp_path / "cut.npz"))


def test_file_of_transformers_loads_whole_and_in_part(tmp_path, published, ours):
    save_file(published.state_dict(), tmp_path / "model.safetensors")
    for model, same in ((VideoPrism(TINY), ours), (PrismVideoTower(TINY.encoder), ours.video)):
        report = load_videoprism(model, str(tmp_path / "model.safetensors"))
        assert report.missing == report.unused == []
        torch.testing.assert_close(model.state_dict(), same.state_dict())
    backbone = published.video_model.vision_model
    save_file(backbone.state_dict(), tmp_path / "backbone.safetensors")
    encoder = FactorizedEncoder(TINY.encoder)
    assert load_videoprism(encoder, str(tmp_path / "backbone.safetensors")).missing == []
    torch.testing.assert_close(encoder.state_dict(), ours.video.encoder.state_dict())


def test_bad_sizes_are_named(tmp_path, ours):
    with pytest.raises(ValueError, match="max_tokens=8"):
        ours.encode_text(torch.ones(1, 9, dtype=torch.long), torch.ones(1, 9))
    with pytest.raises(ValueError, match="not a multiple of patch=18"):
        FactorizedEncoder(EncoderConfig(image=224))
    with pytest.raises(ValueError, match="inner=10 is not a multiple of heads=3"):
        AttentionPool(12, 3, 10)
    with pytest.raises(ValueError, match=r"gone\.npz': no such file"):
        load_videoprism(ours, str(tmp_path / "gone.npz"))
