"""CLIP, LaViLa and AVION in the names of their releases, against transformers' CLIP and plain restatements."""

import pytest
import torch
import torch.nn.functional as F
from transformers import CLIPConfig, CLIPModel, DistilBertConfig, DistilBertModel

from egocurate.errors import InputError
from egocurate.models.frozen.config import FrozenConfig
from egocurate.models.frozen.released import build_released, released_sizes
from egocurate.models.released_names import recognize
from tests.models.frozen.tiny_releases import (
    FRAMES,
    LONGEST,
    PATCH,
    PIECES,
    PLACES,
    SPACE,
    WIDTH,
    WORDS,
    avion,
    lavila,
    lavila_distilbert,
    openai_clip,
)

torch.set_num_threads(1)
IDS = torch.tensor([[88, 5, 9, 89, 89, 89], [88, 7, 4, 3, 2, 89]])  # CLIP's last piece ends a text, and pads it


def write(state, folder, frames=FRAMES):
    torch.save({"state_dict": state, "epoch": 3}, folder / "released.pt")
    kind = recognize(state)
    return build_released(FrozenConfig(str(folder / "released.pt"), kind), 32, frames)


def clips(frames=FRAMES):
    return torch.randint(0, 256, (2, frames, 3, 32, 32), generator=torch.Generator().manual_seed(1)).byte()


def theirs_of(state, activation):
    """transformers' CLIP of OpenAI's names."""
    tower = {"num_hidden_layers": 2, "hidden_act": activation}
    text = {
        "vocab_size": PIECES,
        "max_position_embeddings": LONGEST,
        "hidden_size": WORDS,
        "intermediate_size": 4 * WORDS,
    }
    text |= tower | {"num_attention_heads": 1, "eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 1}
    vision = {"image_size": 32, "patch_size": PATCH, "hidden_size": WIDTH, "intermediate_size": 4 * WIDTH}
    vision |= tower | {"num_attention_heads": 2}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=SPACE)).eval()
    named = {"text_projection.weight": state["text_projection"].T, "logit_scale": state["logit_scale"]}
    named |= {"visual_projection.weight": state["visual.proj"].T}
    vision, text = "vision_model.embeddings.", "text_model.embeddings."
    named[f"{vision}class_embedding"] = state["visual.class_embedding"]
    named[f"{vision}position_embedding.weight"] = state["visual.positional_embedding"]
    named[f"{vision}patch_embedding.weight"] = state["visual.conv1.weight"]
    named[f"{text}token_embedding.weight"] = state["token_embedding.weight"]
    named[f"{text}position_embedding.weight"] = state["positional_embedding"]
    for part in ("weight", "bias"):
        named[f"vision_model.pre_layrnorm.{part}"] = state[f"visual.ln_pre.{part}"]
        named[f"vision_model.post_layernorm.{part}"] = state[f"visual.ln_post.{part}"]
        named[f"text_model.final_layer_norm.{part}"] = state[f"ln_final.{part}"]
        for index in range(2):
            for tower, stem in (("vision_model", "visual."), ("text_model", "")):
                block, own = f"{stem}transformer.resblocks.{index}", f"{tower}.encoder.layers.{index}"
                for name, value in zip("qkv", state[f"{block}.attn.in_proj_{part}"].chunk(3), strict=True):
                    named[f"{own}.self_attn.{name}_proj.{part}"] = value
                named[f"{own}.self_attn.out_proj.{part}"] = state[f"{block}.attn.out_proj.{part}"]
                for name, from_ in (("layer_norm1", "ln_1"), ("layer_norm2", "ln_2")):
                    named[f"{own}.{name}.{part}"] = state[f"{block}.{from_}.{part}"]
                for name, from_ in (("fc1", "c_fc"), ("fc2", "c_proj")):
                    named[f"{own}.mlp.{name}.{part}"] = state[f"{block}.mlp.{from_}.{part}"]
    assert not model.load_state_dict(named, strict=False).missing_keys
    return model


@torch.no_grad()
def test_clip_is_transformers_clip(tmp_path):
    state = openai_clip()
    ours, theirs = write(state, tmp_path), theirs_of(state, "quick_gelu")
    pixels = ours.normalize(clips())
    expected = torch.stack([theirs.get_image_features(pixels[:, time]).pooler_output for time in range(FRAMES)]).mean(0)
    torch.testing.assert_close(ours.embed(pixels), expected, rtol=1e-5, atol=1e-5)
    expected = theirs.get_text_features(IDS).pooler_output
    torch.testing.assert_close(ours.encode_text(IDS, torch.ones_like(IDS)), expected, rtol=1e-5, atol=1e-5)
    states = theirs.text_model(IDS).last_hidden_state
    torch.testing.assert_close(ours.encode_tokens(IDS, torch.ones_like(IDS)), states, rtol=1e-5, atol=1e-5)
    assert ours.embed(ours.normalize(clips(7))).shape == (2, SPACE)


def normed(x, state, name, eps):
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps)


def attended(queries, keys, state, stem, qkv, proj):
    """Multi-head attention of queries [L, D] to keys [S, D], both before the linear map, one head at a time."""
    weight, bias = (state[f"{stem}.{part}"] for part in qkv)
    q, _, _ = (queries @ weight.T + bias).chunk(3, dim=-1)
    _, k, v = (keys @ weight.T + bias).chunk(3, dim=-1)
    heads = []
    for start in range(0, q.shape[-1], 64):
        head = slice(start, start + 64)
        heads.append((q[:, head] @ k[:, head].T / 8).softmax(-1) @ v[:, head])
    return torch.cat(heads, dim=-1) @ state[f"{stem}.{proj}.weight"].T + state[f"{stem}.{proj}.bias"]


def patches(clip):
    """Pixels [T, 3, 32, 32] as rows [T, N, 3 * p * p], color before row before column."""
    return F.unfold(clip, PATCH, stride=PATCH).transpose(1, 2)


def lavila_clip(clip, state, eps=1e-6):
    """LaViLa's tower on one clip [T, 3, 32, 32], every patch on its own."""
    weight = state["visual.patch_embed.proj.weight"].flatten(1)
    frames, n = len(clip), PLACES
    x = patches(clip) @ weight.T + state["visual.pos_embed"][0, 1:] + state["visual.temporal_embed"][0, :frames, None]
    first = state["visual.cls_token"][0] + state["visual.pos_embed"][0, :1]
    x = normed(torch.cat([first, x.flatten(0, 1)]), state, "visual.ln_pre", 1e-5)
    for index in range(2):
        stem = f"visual.blocks.{index}"

        def over(tokens, part, group, stem=stem):
            names = (("qkv.weight", "qkv.bias"), "proj")
            rows = [attended(tokens[:1], tokens, state, f"{stem}.{part}", *names)]
            for place in range(1, 1 + frames * n):
                seen = tokens[[0, *(1 + other for other in group(place - 1))]]
                rows.append(attended(tokens[place : place + 1], seen, state, f"{stem}.{part}", *names))
            return torch.cat(rows)

        gate = state.get(f"{stem}.alpha_timeattn")
        time = over(normed(x, state, f"{stem}.norm3", eps), "timeattn", lambda p: range(p % n, frames * n, n))
        t = x + (time if gate is None else torch.tanh(gate) * time)
        x = x + over(normed(t, state, f"{stem}.norm1", eps), "attn", lambda p: range(p // n * n, p // n * n + n))
        h = normed(x, state, f"{stem}.norm2", eps) @ state[f"{stem}.mlp.fc1.weight"].T + state[f"{stem}.mlp.fc1.bias"]
        x = x + (h * torch.sigmoid(1.702 * h)) @ state[f"{stem}.mlp.fc2.weight"].T + state[f"{stem}.mlp.fc2.bias"]
    return normed(x[0], state, "visual.norm", eps) @ state["image_projection"]


@pytest.mark.parametrize("gated", [False, True])
@torch.no_grad()
def test_lavila_is_what_its_paper_and_code_say(tmp_path, gated):
    state = lavila(gated=gated)
    ours = write(state, tmp_path)
    plain = {name.removeprefix("module."): value for name, value in state.items()}
    for frames in (FRAMES, 2):
        pixels = ours.normalize(clips(frames)[:1])
        torch.testing.assert_close(ours.embed(pixels)[0], lavila_clip(pixels[0], plain), rtol=1e-4, atol=1e-5)
    words = {name: value for name, value in plain.items() if not name.startswith("visual.")}  # they are CLIP's
    expected = theirs_of(openai_clip() | words, "quick_gelu").get_text_features(IDS).pooler_output
    torch.testing.assert_close(ours.encode_text(IDS, torch.ones_like(IDS)), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_lavila_with_distilbert_reads_the_first_token_of_a_text(tmp_path):
    state = lavila_distilbert()
    assert recognize(state) == "lavila-distilbert"
    ours = write(state, tmp_path)
    plain = {name.removeprefix("module."): value for name, value in state.items()}
    pixels = ours.normalize(clips()[:1])
    torch.testing.assert_close(ours.embed(pixels)[0], lavila_clip(pixels[0], plain), rtol=1e-4, atol=1e-5)
    sizes = {"vocab_size": PIECES, "max_position_embeddings": 20, "dim": WORDS, "hidden_dim": 4 * WORDS}
    text = DistilBertModel(DistilBertConfig(**sizes, n_layers=2, n_heads=1)).eval()
    stem = "textual."
    text.load_state_dict({name.removeprefix(stem): value for name, value in plain.items() if name.startswith(stem)})
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
    states = text(IDS, attention_mask=mask).last_hidden_state
    expected = states[:, 0] @ plain["text_projection"]
    torch.testing.assert_close(ours.encode_text(IDS, mask), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.encode_tokens(IDS, mask), states, rtol=1e-5, atol=1e-5)
    sizes = released_sizes(FrozenConfig(str(tmp_path / "released.pt"), "lavila-distilbert"))
    assert (sizes.text_tokens, sizes.text_pieces, sizes.frames) == (20, PIECES, FRAMES)


def avion_clip(clip, state, eps=1e-6):
    """AVION's tower on one clip [T, 3, 32, 32]: all tokens see all."""
    weight, places = state["visual.conv1.weight"].flatten(1), state["visual.positional_embedding"]
    x = patches(clip) @ weight.T + places[1:] + state["visual.temporal_embedding"][: len(clip), None]
    x = torch.cat([state["visual.class_embedding"][None] + places[:1], x.flatten(0, 1)])
    x = normed(x, state, "visual.ln_pre", eps)
    for index in range(2):
        stem = f"visual.transformer.resblocks.{index}"
        qkv = tuple(
            next(n for n in (f"Wqkv.{p}", f"in_proj_{p}") if f"{stem}.attn.{n}" in state) for p in ("weight", "bias")
        )
        up, down = next(
            names for names in (("fc1", "fc2"), ("c_fc", "c_proj")) if f"{stem}.mlp.{names[0]}.bias" in state
        )
        y = normed(x, state, f"{stem}.ln_1", eps)
        x = x + attended(y, y, state, f"{stem}.attn", qkv, "out_proj")
        y = normed(x, state, f"{stem}.ln_2", eps) @ state[f"{stem}.mlp.{up}.weight"].T + state[f"{stem}.mlp.{up}.bias"]
        x = x + F.gelu(y) @ state[f"{stem}.mlp.{down}.weight"].T + state[f"{stem}.mlp.{down}.bias"]
    return normed(x[0], state, "visual.ln_post", eps) @ state["visual.image_projection"]


@pytest.mark.parametrize(("flash", "fast_conv"), [(True, True), (False, False)])
@torch.no_grad()
def test_avion_is_what_its_code_says(tmp_path, flash, fast_conv):
    state = avion(flash=flash, fast_conv=fast_conv)
    ours = write(state, tmp_path)
    plain = {name.removeprefix("module."): value for name, value in state.items()}
    for frames in (FRAMES, 2):
        pixels = ours.normalize(clips(frames)[:1])
        torch.testing.assert_close(ours.embed(pixels)[0], avion_clip(pixels[0], plain), rtol=1e-4, atol=1e-5)
    words = {name.removeprefix("textual."): value for name, value in plain.items() if name.startswith("textual.")}
    expected = theirs_of(openai_clip() | words, "gelu").get_text_features(IDS).pooler_output
    torch.testing.assert_close(ours.encode_text(IDS, torch.ones_like(IDS)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("state", "name", "reference"),
    [
        (lavila(), "visual.temporal_embed", lavila_clip),
        (avion(), "visual.temporal_embedding", avion_clip),
    ],
)
@torch.no_grad()
def test_more_frames_have_temporal_embeddings_between_those_of_the_release(tmp_path, state, name, reference):
    ours = write(state, tmp_path, frames=6)
    plain = {name.removeprefix("module."): value for name, value in state.items()}
    time, six = plain[name].reshape(FRAMES, WIDTH), []
    for frame in range(6):  # the middle of a frame of six, in frames of four, from the middle of the first
        at = min(max((frame + 0.5) * FRAMES / 6 - 0.5, 0.0), FRAMES - 1)
        before = min(int(at), FRAMES - 2)
        six.append(time[before] + (at - before) * (time[before + 1] - time[before]))
    plain[name] = torch.stack(six).reshape(*plain[name].shape[:-2], 6, WIDTH)
    pixels = ours.normalize(clips(6)[:1])
    torch.testing.assert_close(ours.embed(pixels)[0], reference(pixels[0], plain), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("state", "kind", "frames"),
    [(lavila(), "lavila", FRAMES), (avion(), "avion", FRAMES), (openai_clip(), "openai-clip", 4)],
)
def test_sizes_are_those_of_the_shapes(tmp_path, state, kind, frames):
    torch.save(state, tmp_path / "w.pt")
    sizes = released_sizes(FrozenConfig(str(tmp_path / "w.pt"), kind))
    assert (sizes.image, sizes.patch, sizes.width, sizes.embedding) == (32, PATCH, WIDTH, SPACE)
    assert (sizes.frames, sizes.text_tokens, sizes.text_pieces) == (frames, LONGEST, PIECES)
    sizes.check(32, 16)


def test_levels_are_normalized_as_the_code_does(tmp_path):
    levels = torch.tensor([108.3272985, 116.7460125, 104.09373615])[None, None, :, None, None].expand(1, 1, 3, 2, 2)
    assert write(lavila(), tmp_path).normalize(levels).abs().max() < 1e-5
    assert write(avion(), tmp_path).normalize(levels).abs().max() < 1e-5
    assert write(openai_clip(), tmp_path).normalize(levels).abs().max() > 0.1


@pytest.mark.parametrize("made", [lavila, lavila_distilbert, avion, openai_clip])
def test_what_is_not_whole_is_one_line(tmp_path, made):
    state = made()
    names = ("transformer.resblocks.1.ln_1.bias", "token_embedding.weight", "text_projection", "visual.", "mlp")
    if made is lavila_distilbert:
        names = ("layer.1.ffn.lin1.bias", "word_embeddings", "position_embeddings", "text_projection", "visual.", "mlp")
    for name in names:
        part = {key: value for key, value in state.items() if name not in key}
        torch.save(part, tmp_path / "w.pt")
        with pytest.raises(InputError, match=r"w.pt") as raised:
            build_released(FrozenConfig(str(tmp_path / "w.pt"), recognize(state)), 32, 4)
        assert "\n" not in str(raised.value)
    odd = {key: value.flatten() for key, value in state.items()}
    torch.save(odd, tmp_path / "w.pt")
    with pytest.raises(InputError, match="its tensors are not those of"):
        build_released(FrozenConfig(str(tmp_path / "w.pt"), recognize(state)), 32, 4)
