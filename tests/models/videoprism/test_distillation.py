"""VideoPrism's second stage: its loss against loops in float64, its random_order, its teacher, its graph."""

import pytest
import torch

from egocurate.models.layers.patches import tube_mask
from egocurate.models.videoprism.config import DecoderConfig, EncoderConfig
from egocurate.models.videoprism.distillation import Student, cosine_distance, frozen_teacher, random_order
from egocurate.models.videoprism.encoder import FactorizedEncoder
from egocurate.models.videoprism.model import PrismVideoTower

torch.set_num_threads(1)
TINY = EncoderConfig.tiny()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(batch, count, seed=0):
    return torch.rand(batch, count, generator=seeded(seed))


def randomise(module, seed=0, size=0.2):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(seed := seed + 1)) * size)
    return module.eval()


def naive_distance(x, y):
    """1 - cosine, mean over rows, by sums of products."""
    total = 0.0
    for a, b in zip(x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1]), strict=True):
        dot = sum(i * j for i, j in zip(a, b, strict=True))
        total = total + 1 - dot / (sum(i * i for i in a) ** 0.5 * sum(j * j for j in b) ** 0.5)
    return total / (x.numel() // x.shape[-1])


def both(student, teacher):
    return sum(cosine_distance(x, y) for x, y in zip(student, teacher, strict=True))


def test_distillation_loss_and_gradient_equal_a_loop():
    parts = [torch.randn(shape, dtype=torch.float64, generator=seeded(1)) for shape in ((2, 5, 4), (2, 4))]
    teacher = tuple(torch.randn(part.shape, dtype=torch.float64, generator=seeded(2)) for part in parts)
    one, two = ([part.clone().requires_grad_() for part in parts] for _ in range(2))
    loss = both(one, teacher)
    expected = sum(naive_distance(x, y) for x, y in zip(two, teacher, strict=True))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, one), torch.autograd.grad(expected, two))
    assert both(teacher, teacher).abs() < 1e-12


def small_student():
    torch.manual_seed(0)
    return Student(FactorizedEncoder(TINY), DecoderConfig(width=32, depth=1, heads=2, hidden=64))


def test_decoder_gets_each_token_where_the_shuffle_puts_it():
    student = randomise(small_student())
    frames = torch.rand(2, 4, 3, 36, 36, generator=seeded())
    visible, _ = tube_mask(noise(2, 16), 10)
    order = random_order(noise(2, 64, 1))
    got = []
    student.token_decoder.register_forward_pre_hook(lambda module, inputs: got.append(inputs[0]))
    tokens, embedding = student(frames, visible, order)
    assert tokens.shape == (2, 64, 48)
    assert embedding.shape == (2, 48)
    seen = student.encoder(frames, visible)  # 24 of 64 tokens
    for clip in range(2):
        assert sorted(order[clip].tolist()) == list(range(64))
        for slot, source in enumerate(order[clip].tolist()):
            token = seen[clip, source] if source < 24 else student.mask_token[0, 0]
            torch.testing.assert_close(got[0][clip, slot], token + student.pos[0, slot], atol=1e-5, rtol=1e-5)


def test_clip_decoder_sees_the_visible_tokens_alone_and_in_order():
    student = randomise(small_student())
    frames = torch.rand(2, 4, 3, 36, 36, generator=seeded())
    visible, _ = tube_mask(noise(2, 16), 10)
    _, embedding = student(frames, visible, random_order(noise(2, 64, 1)))
    seen = student.encoder(frames, visible)
    torch.testing.assert_close(embedding, student.pool(student.clip_decoder(seen)))
    torch.testing.assert_close(student(frames, visible, random_order(noise(2, 64, 2)))[1], embedding)


def test_bfloat16_stays_near_float32():
    student, teacher = randomise(small_student()), frozen_teacher(randomise(PrismVideoTower(TINY)))
    frames = torch.rand(3, 4, 3, 36, 36, generator=seeded())
    visible, _ = tube_mask(noise(3, 16), 10)
    order = random_order(noise(3, 64, 1))
    with torch.autocast("cpu", torch.bfloat16):
        loss = both(student(frames, visible, order), teacher(frames))
    assert loss.dtype == torch.float32
    expected = both(student(frames, visible, order), teacher(frames))
    torch.testing.assert_close(loss, expected, atol=0, rtol=0.05)


def test_second_stage_learns_and_leaves_the_teacher_alone():
    torch.manual_seed(0)
    tower = PrismVideoTower(TINY, auxiliary_depth=0)
    teacher, student = frozen_teacher(tower), small_student()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    frames = torch.rand(2, 4, 3, 36, 36, generator=seeded())
    targets = teacher(frames)
    assert not any(target.requires_grad for target in targets)
    optimizer = torch.optim.AdamW(student.parameters(), lr=2e-3)
    losses = []
    for step in range(40):
        optimizer.zero_grad()
        visible, _ = tube_mask(noise(2, 16, step), int(0.65 * 16))
        loss = both(student(frames, visible, random_order(noise(2, 64, step))), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.5
    assert losses[-1] < 0.5
    assert all(parameter.grad is not None for parameter in student.parameters())
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    assert all(a is not b for a, b in zip(teacher.parameters(), tower.parameters(), strict=True))


@pytest.mark.slow
def test_second_stage_is_one_graph():
    graphs = []

    def keep(graph, inputs):
        graphs.append(graph)
        return graph

    student = small_student()
    frames = torch.rand(2, 4, 3, 36, 36, generator=seeded())
    compiled = torch.compile(student, fullgraph=True, backend=keep)
    for seed in (0, 1):
        visible, _ = tube_mask(noise(2, 16, seed), 10)
        order = random_order(noise(2, 64, seed))
        torch.testing.assert_close(compiled(frames, visible, order), student(frames, visible, order))
    assert len(graphs) == 1
