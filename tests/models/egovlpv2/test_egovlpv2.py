"""EgoVLPv2 against hand-written float64 layers, against its own dual encoder, and over ranks."""

import gc
import math
from dataclasses import replace
from unittest import mock

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from egocurate.models.egovlpv2 import masking_and_matching
from egocurate.models.egovlpv2.config import EgoVLPv2Config, ObjectiveConfig
from egocurate.models.egovlpv2.masking_and_matching import Vocabulary, mask_tokens
from egocurate.models.egovlpv2.model import EgoVLPv2, TrainingBatch
from egocurate.models.layers.configs import RobertaTextConfig, VideoConfig

torch.set_num_threads(1)
TINY = EgoVLPv2Config(
    video=VideoConfig(image=16, patch=8, max_frames=2, width=12, depth=3, heads=3, eps=1e-5),
    text=RobertaTextConfig(vocab=40, width=8, depth=3, heads=2, max_tokens=10, dropout=0.0),
    fused_layers=2,
    projection=6,
)
WORDS = Vocabulary(size=40, mask_id=4, special_ids=(0, 1, 2, 3))


def randomise(module, seed=0, scale=0.4):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * scale
            parameter.copy_(drawn.to(parameter.dtype))
    return module.eval()


def sample(rows=3, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 40, (rows, 6), generator=generator)
    mask = torch.ones(rows, 6, dtype=torch.long)
    mask[0, 4:] = 0
    ids[mask == 0] = 1
    return ids, mask, torch.randn(rows, 2, 3, 16, 16, generator=generator, dtype=dtype)


# Fused layers against the formulas, one query at a time.


def norm(layer, x):
    centered = x - x.mean(-1, keepdim=True)
    return centered / (centered.pow(2).mean(-1, keepdim=True) + layer.eps).sqrt() * layer.weight + layer.bias


def linear(layer, x):
    return x @ layer.weight.T + layer.bias


def attend(q, k, v, heads, seen):
    """seen(i): the keys that query i sees."""
    dim, out = q.shape[1] // heads, torch.zeros_like(q)
    for i in range(len(q)):
        keys = seen(i)
        for h in range(heads):
            part = slice(h * dim, (h + 1) * dim)
            weight = torch.exp(k[keys, part] @ q[i, part] / math.sqrt(dim))
            out[i, part] = (weight / weight.sum()) @ v[keys, part]
    return out


def cross(gate, x, other, length, with_norm):
    q = linear(gate.q, norm(gate.norm, x) if with_norm else x)
    k, v = linear(gate.kv, other).chunk(2, dim=1)
    return gate.gate * linear(gate.proj, attend(q, k, v, gate.heads, lambda i: list(range(length))))


def naive_video_layer(block, gate, x, words, length, frames):
    patches = (len(x) - 1) // frames

    def divided(layer, x, axis):
        q, k, v = linear(layer.qkv, x).chunk(3, dim=1)

        def seen(i):
            if i == 0:
                return list(range(len(x)))
            frame, place = divmod(i - 1, patches)
            if axis == "space":
                return [0, *range(1 + frame * patches, 1 + (frame + 1) * patches)]
            return [0, *(1 + f * patches + place for f in range(frames))]

        return linear(layer.proj, attend(q, k, v, layer.heads, seen))

    t = x + divided(block.timeattn, norm(block.norm3, x), "time")
    s = divided(block.attn, norm(block.norm1, t), "space")
    x = x + s + cross(gate, s, words, length, with_norm=True)
    hidden = linear(block.mlp.fc1, norm(block.norm2, x))
    return x + linear(block.mlp.fc2, hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2)


def naive_text_layer(layer, gate, h, heads, clip, length):
    own = layer.attention.self
    q, k, v = (linear(part, h) for part in (own.query, own.key, own.value))
    out = layer.attention.output
    a = linear(out.dense, attend(q, k, v, heads, lambda i: list(range(length))))
    h = norm(out.LayerNorm, cross(gate, a, clip, len(clip), with_norm=False) + a + h)
    hidden = linear(layer.intermediate.dense, h)
    hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    return norm(layer.output.LayerNorm, h + linear(layer.output.dense, hidden))


def test_fused_layers_equal_the_formulas():
    model = randomise(EgoVLPv2(TINY).double())
    ids, mask, frames = sample()
    clips, texts = model.lower_video(frames), model.lower_text(ids, mask)
    words, clip = model.fuse(clips, texts)
    for row in range(3):
        length = int(mask[row].sum())
        x, h = clips.tokens[row], texts.tokens[row]
        for gate in range(2):
            block, layer = model.video.blocks[1 + gate], model.text.model.encoder.layer[1 + gate]
            x, h = (
                naive_video_layer(block, model.video_gates[gate], x, h, length, 2),
                naive_text_layer(layer, model.text_gates[gate], h, 2, x, length),
            )
        torch.testing.assert_close(words[row, :length], h[:length], rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(clip[row], norm(model.fused_norm, x)[0], rtol=1e-11, atol=1e-11)


def test_gates_at_zero_are_the_dual_encoder_bit_by_bit():
    config = replace(TINY, shared=True, video=replace(TINY.video, eps=1e-6))
    model = randomise(EgoVLPv2(config))
    model.fused_norm.load_state_dict(model.video.norm.state_dict())
    ids, mask, frames = sample(dtype=torch.float32)

    def differ():
        words, clip = model.fuse(model.lower_video(frames), model.lower_text(ids, mask))
        return not torch.equal(words, model.text(ids, mask)), not torch.equal(clip, model.video(frames))

    assert differ() == (True, True)
    for gate in (*model.video_gates, *model.text_gates):
        torch.nn.init.zeros_(gate.gate)
    assert differ() == (False, False)
    assert torch.equal(model.encode_text(ids, mask), model.txt_proj(model.text(ids, mask)[:, 0]))
    assert torch.equal(model.encode_tokens(ids, mask), model.text(ids, mask))
    assert torch.equal(model.encode_video(frames), model.vid_proj(model.video(frames)))


def test_fresh_model_fuses_nothing_yet_and_its_gates_can_open():
    torch.manual_seed(0)
    model = EgoVLPv2(TINY)
    ids, mask, frames = sample(dtype=torch.float32)
    words, clip = model.fuse(model.lower_video(frames), model.lower_text(ids, mask))
    assert torch.equal(words, model.text(ids, mask))
    (words[..., 0].square().sum() + clip[:, 0].square().sum()).backward()
    assert all(gate.gate.grad.abs() > 0 for gate in (*model.text_gates, *model.video_gates[:-1]))


def test_gates_of_a_model_from_nothing_may_start_open():
    torch.manual_seed(0)
    model = EgoVLPv2(replace(TINY, gate=0.5))
    ids, mask, frames = sample(dtype=torch.float32)
    assert {gate.gate.item() for gate in (*model.text_gates, *model.video_gates)} == {0.5}
    words, _ = model.fuse(model.lower_video(frames), model.lower_text(ids, mask))
    assert not torch.allclose(words, model.text(ids, mask))


def test_gradient_of_the_gates_is_that_of_finite_differences():
    model = randomise(EgoVLPv2(TINY).double())
    ids, mask, frames = sample(rows=1)
    clips, texts = model.lower_video(frames), model.lower_text(ids, mask)

    def fused(*gates):
        for gate, value in zip((*model.video_gates, *model.text_gates), gates, strict=True):
            del gate.gate
            gate.gate = value
        return model.match(clips, texts)

    gates = [gate.gate.detach().clone().requires_grad_() for gate in (*model.video_gates, *model.text_gates)]
    for gate in (*model.video_gates, *model.text_gates):
        gate._parameters.pop("gate")
        gate.gate = None
    assert torch.autograd.gradcheck(fused, gates)


def test_padding_of_a_text_changes_nothing():
    model = randomise(EgoVLPv2(TINY).double())
    ids, mask, frames = sample()
    clips = model.lower_video(frames)
    before = model.match(clips, model.lower_text(ids, mask))
    after = model.match(clips, model.lower_text(ids.masked_fill(mask == 0, 9), mask))
    torch.testing.assert_close(before, after, rtol=0, atol=1e-12)


def test_joint_attention_fuses_too():
    model = randomise(EgoVLPv2(replace(TINY, video=replace(TINY.video, attention="joint"))).double())
    assert not any("timeattn" in name or "norm3" in name for name in model.state_dict())
    ids, mask, frames = sample()
    words, clip = model.fuse(model.lower_video(frames), model.lower_text(ids, mask))
    block, x = model.video.blocks[0], model.video.embed(frames)[0]
    q, k, v = linear(block.attn.qkv, norm(block.norm1, x)).chunk(3, dim=1)
    seen = x + linear(block.attn.proj, attend(q, k, v, 3, lambda i: list(range(len(x)))))
    hidden = torch.nn.functional.gelu(linear(block.mlp.fc1, norm(block.norm2, seen)))
    torch.testing.assert_close(block(x[None], 2)[0], seen + linear(block.mlp.fc2, hidden))
    assert words.shape == (3, 6, 8) and clip.shape == (3, 12)


def test_depths_must_fit():
    with pytest.raises(ValueError, match="3 and 2 layers"):
        EgoVLPv2(replace(TINY, text=replace(TINY.text, depth=2)))
    with pytest.raises(ValueError, match="fused_layers=4"):
        EgoVLPv2(replace(TINY, fused_layers=4))


# Training.


def training_batch(rows=slice(None), total=8):
    generator = torch.Generator().manual_seed(7)
    draw = lambda *shape: torch.rand(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    ids, mask, frames = sample(total, seed=7)
    verbs, nouns = draw(total, 4) < 0.4, draw(total, 4) < 0.4
    valid = torch.ones(total, dtype=torch.bool)
    valid[5] = False
    numbers, uniform = draw(total, 6, 3), draw(total, 3)
    masked = mask_tokens(ids[rows], WORDS, numbers[rows], valid[rows], share=0.4)
    parts = (ids, mask, frames, verbs, nouns, valid, uniform)
    ids, mask, frames, verbs, nouns, valid, uniform = (part[rows] for part in parts)
    return TrainingBatch(ids, mask, frames, masked, verbs, nouns, valid, uniform)


def test_sharing_lower_layers_is_the_same_where_the_first_tokens_agree():
    apart, shared = EgoVLPv2(TINY).double(), EgoVLPv2(replace(TINY, shared=True)).double()
    randomise(apart)
    apart.fused_cls_token.data.copy_(apart.video.cls_token)
    shared.load_state_dict({name: v for name, v in apart.state_dict().items() if name != "fused_cls_token"})
    torch.testing.assert_close(apart(training_batch()), shared.eval()(training_batch()), rtol=1e-12, atol=0)


def test_matching_draws_evenly_until_it_is_to_be_hard():
    """Whatever the similarities, every known negative is as likely; hard ones follow them."""
    model = EgoVLPv2(TINY, ObjectiveConfig(temperature=1e-7)).double()  # so small that likenesses tell
    randomise(model)
    batch = training_batch()
    weights = {}
    for hard in (False, True):
        with mock.patch.object(masking_and_matching, "draw", wraps=masking_and_matching.draw) as drawn:
            model(batch._replace(hard=hard))
        rows = drawn.call_args.args[0]
        weights[hard] = rows[(rows < 1).all(1) & (rows > 0).any(1)]  # those from which a negative is drawn
    for row in weights[False]:
        likely = row[row > 0]
        torch.testing.assert_close(likely, torch.full_like(likely, 1 / len(likely)))
    for even, hard in zip(weights[False], weights[True], strict=True):
        assert torch.equal(even > 0, hard > 0)
    assert (weights[True].max(1).values > 1.5 * weights[False].max(1).values).all()


def test_total_is_the_weighted_sum_and_every_parameter_learns():
    model = randomise(EgoVLPv2(TINY).double()).train()
    losses = model(training_batch())
    assert losses.total.item() == pytest.approx(
        0.25 * losses.egonce.item() + 0.25 * losses.mlm.item() + 0.5 * losses.vtm.item()
    )
    losses.total.backward()
    still = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert still == set()


@pytest.mark.slow
def test_it_learns():
    torch.manual_seed(0)
    model = EgoVLPv2(TINY)
    batch = training_batch()
    batch = batch._replace(frames=batch.frames.float(), uniform=batch.uniform.float())
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = model(batch)
        loss.total.backward()
        optimizer.step()
        losses.append(loss)
    for name in ("egonce", "mlm", "vtm"):
        assert getattr(losses[-1], name) < 0.6 * getattr(losses[0], name), name


def step(model, rows, place=None):
    losses = model(training_batch(rows)._replace(place=place))
    losses.total.backward()
    return torch.stack(losses).detach(), [p.grad for p in model.parameters()]


def one_rank(rank, world, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
    # The first half are anchors, the second their negatives: a rank has a part of each.
    rows = torch.arange(8).view(2, world, -1)[:, rank].flatten()
    model = DistributedDataParallel(randomise(EgoVLPv2(TINY).double()))
    values, gradients = step(model, rows, rows)
    dist.all_reduce(values)
    torch.save((values / world, gradients), folder / f"{rank}.pt")
    del model
    gc.collect()
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
def test_four_ranks_equal_one_process(tmp_path):
    """The three losses and every gradient; clips and texts for matching come from other ranks."""
    expected, expected_gradients = step(randomise(EgoVLPv2(TINY).double()), slice(None))
    mp.spawn(one_rank, (4, tmp_path), nprocs=4)
    for rank in (0, 3):
        values, gradients = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(values, expected, rtol=1e-10, atol=0)
        torch.testing.assert_close(gradients, expected_gradients, rtol=1e-8, atol=1e-12)


def test_the_order_of_rows_changes_no_partner():
    """Rows in another order, with their places, are matched as they were."""
    rows = torch.tensor([3, 0, 7, 5, 1, 2, 6, 4])
    expected, _ = step(randomise(EgoVLPv2(TINY).double()), slice(None))
    found, _ = step(randomise(EgoVLPv2(TINY).double()), rows, rows)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)
    unplaced, _ = step(randomise(EgoVLPv2(TINY).double()), rows)
    torch.testing.assert_close(unplaced[1:3], expected[1:3], rtol=1e-10, atol=0)
    assert unplaced[3] != pytest.approx(expected[3].item(), rel=1e-6)
