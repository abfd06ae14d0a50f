"""The video tower against loops in float64 and against an image ViT of torch's layers."""

import pytest
import torch

from egocurate.models.layers.configs import VideoConfig
from egocurate.models.layers.divided_attention import DividedAttention
from egocurate.models.layers.video_tower import DividedBlock, VideoTower

torch.set_num_threads(1)
TINY = VideoConfig(image=32, patch=8, max_frames=4, width=24, depth=2, heads=3)


def naive_attention(layer, x, frames):
    """One query at a time over the keys that the paper gives it."""
    tokens, width = x.shape
    patches, dim = (tokens - 1) // frames, width // layer.heads
    q, k, v = (x @ layer.qkv.weight.T + layer.qkv.bias).split(width, dim=1)
    out = torch.zeros_like(x)
    for i in range(tokens):
        if i == 0:
            keys = list(range(tokens))
        else:
            frame, place = divmod(i - 1, patches)
            same = (
                [(frame, p) for p in range(patches)] if layer.axis == "space" else [(f, place) for f in range(frames)]
            )
            keys = [0] + [1 + f * patches + p for f, p in same]
        for h in range(layer.heads):
            part = slice(h * dim, (h + 1) * dim)
            weight = torch.exp(k[keys, part] @ q[i, part] / dim**0.5)
            out[i, part] = (weight / weight.sum()) @ v[keys, part]
    return out @ layer.proj.weight.T + layer.proj.bias


def layer_norm(norm, x):
    centered = x - x.mean(-1, keepdim=True)
    return centered / (centered.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * norm.weight + norm.bias


def naive_tower(tower, video):
    """The whole tower for one video [T, 3, S, S], patch by patch."""
    patch, tokens = tower.config.patch, [tower.cls_token[0, 0] + tower.pos_embed[0, 0]]
    kernel = tower.patch_embed.proj
    for t, frame in enumerate(video):
        place = 1
        for top in range(0, frame.shape[1], patch):
            for left in range(0, frame.shape[2], patch):
                square = frame[:, top : top + patch, left : left + patch]
                token = (kernel.weight * square).sum((1, 2, 3)) + kernel.bias
                tokens.append(token + tower.pos_embed[0, place] + tower.temporal_embed[0, t])
                place += 1
    x = torch.stack(tokens)
    for block in tower.blocks:
        t = x + naive_attention(block.timeattn, layer_norm(block.norm3, x), len(video))
        x = x + naive_attention(block.attn, layer_norm(block.norm1, t), len(video))
        hidden = layer_norm(block.norm2, x) @ block.mlp.fc1.weight.T + block.mlp.fc1.bias
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
        x = x + hidden @ block.mlp.fc2.weight.T + block.mlp.fc2.bias
    return layer_norm(tower.norm, x)[0]


def randomise(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.3)
    return module


@pytest.mark.parametrize("axis", ["space", "time"])
@pytest.mark.parametrize(("frames", "patches"), [(1, 6), (3, 4), (4, 1)])
def test_attention_equals_loop(axis, frames, patches):
    layer = randomise(DividedAttention(12, 3, axis).double())
    x = torch.randn(2, 1 + frames * patches, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = torch.stack([naive_attention(layer, video, frames) for video in x])
    torch.testing.assert_close(layer(x, frames), expected)


@pytest.mark.parametrize("frames", [1, 3, 4])
def test_tower_equals_loop(frames):
    tower = randomise(VideoTower(TINY).double())
    video = torch.randn(2, frames, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(tower(video), torch.stack([naive_tower(tower, one) for one in video]))


@pytest.mark.parametrize("time_init", ["proj", "published"])
def test_fresh_tower_on_one_frame_is_a_vit(time_init):
    torch.manual_seed(0)
    tower = VideoTower(VideoConfig(image=32, patch=8, max_frames=4, width=24, depth=2, heads=3, time_init=time_init))
    image = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(tower(image[:, None]), plain_vit(tower, image), atol=1e-5, rtol=1e-5)


def plain_vit(tower, image):
    """An image ViT of torch's own encoder layers with the tower's spatial weights."""
    ours, width = tower.state_dict(), tower.config.width
    patches = torch.nn.functional.conv2d(
        image, ours["patch_embed.proj.weight"], ours["patch_embed.proj.bias"], stride=8
    )
    x = torch.cat([ours["cls_token"].expand(len(image), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
    x = x + ours["pos_embed"]
    for i in range(tower.config.depth):
        layer = torch.nn.TransformerEncoderLayer(
            width, tower.config.heads, 4 * width, 0.0, "gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
        )
        names = {
            "self_attn.in_proj_": "attn.qkv.",
            "self_attn.out_proj.": "attn.proj.",
            "linear1.": "mlp.fc1.",
            "linear2.": "mlp.fc2.",
            "norm1.": "norm1.",
            "norm2.": "norm2.",
        }
        kinds = ("weight", "bias")
        layer.load_state_dict({t + k: ours[f"blocks.{i}.{o}{k}"] for t, o in names.items() for k in kinds})
        x = layer(x)
    return torch.nn.functional.layer_norm(x, (width,), ours["norm.weight"], ours["norm.bias"], 1e-6)[:, 0]


def test_published_time_init_never_learns_query_and_key():
    """Why `proj` is the default: training moves every part of it, and only the value of the published one."""
    moved = {}
    for time_init in ("proj", "published"):
        torch.manual_seed(0)
        tower = VideoTower(VideoConfig(image=16, patch=8, max_frames=4, width=8, depth=1, heads=2, time_init=time_init))
        optimizer = torch.optim.SGD(tower.parameters(), lr=1.0)
        before = tower.blocks[0].timeattn.qkv.weight.detach().clone()
        for _ in range(3):
            optimizer.zero_grad()
            (tower(torch.randn(4, 4, 3, 16, 16)) @ torch.randn(8)).square().mean().backward()
            optimizer.step()
        change = (tower.blocks[0].timeattn.qkv.weight - before).abs().amax(1).view(3, 8).amin(1)
        moved[time_init] = change > 0
    assert moved["proj"].tolist() == [True, True, True]
    assert moved["published"].tolist() == [False, False, True]


def test_fresh_tower_ignores_time_and_trained_one_does_not():
    torch.manual_seed(0)
    tower = VideoTower(TINY)
    video = torch.randn(1, 4, 3, 32, 32)
    torch.testing.assert_close(tower(video), tower(video.flip(1)))
    randomise(tower)
    assert (tower(video) - tower(video.flip(1))).abs().max() > 1e-3


def test_too_many_frames_and_bad_sizes_are_named():
    with pytest.raises(ValueError, match="max_frames=4"):
        VideoTower(TINY)(torch.zeros(1, 5, 3, 32, 32))
    with pytest.raises(ValueError, match="multiple of patch=16"):
        VideoTower(VideoConfig(image=72))
    with pytest.raises(ValueError, match="multiple of heads=5"):
        VideoTower(VideoConfig(heads=5))


def test_names_are_those_of_timm():
    names = {name for name in VideoTower(TINY).state_dict() if "timeattn" not in name and "norm3" not in name}
    parts = {"patch_embed.proj", "norm"}
    for i in range(2):
        parts |= {f"blocks.{i}.{part}" for part in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")}
    weights = {f"{part}.{kind}" for part in parts for kind in ("weight", "bias")}
    assert names == weights | {"cls_token", "pos_embed", "temporal_embed"}


def test_block_keeps_time_out_of_the_residual_stream():
    """With space attention silenced, time attention cannot reach the output: the residual starts from x."""
    block = randomise(DividedBlock(VideoConfig(width=12, heads=3)).double())
    torch.nn.init.zeros_(block.attn.proj.weight)
    x = torch.randn(1, 9, 12, dtype=torch.float64)
    before = block(x, 2)
    torch.nn.init.zeros_(block.timeattn.proj.weight)
    torch.testing.assert_close(block(x, 2), before)
