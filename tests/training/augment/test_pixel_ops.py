"""RandAugment's operations against Pillow's, which the published code calls frame by frame."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from egocurate.training.augment import pixel_ops as ops
from egocurate.training.augment.rand_augment import DRAWS, OPERATIONS, normal, rand_augment


def frames_of(seed=0):
    """Two frames of a smooth picture with some noise, so that no histogram is flat."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(20, 200, 40)[None, None, :, None] * np.array([1.0, 0.7, 0.4])
    noisy = ramp + rng.normal(0, 12, (2, 32, 40, 3))
    return torch.from_numpy(noisy.clip(0, 255).astype(np.uint8)).movedim(-1, 1).contiguous()


def by_pillow(frames, change):
    pictures = [np.asarray(change(Image.fromarray(frame.movedim(0, -1).numpy()))) for frame in frames]
    return torch.from_numpy(np.stack(pictures)).movedim(-1, 1)


def enhanced(kind, factor):
    return lambda picture: kind(picture).enhance(factor)


PAIRS = {
    "auto_contrast": (ops.auto_contrast, ImageOps.autocontrast),
    "equalize": (ops.equalize, ImageOps.equalize),
    "invert": (ops.invert, ImageOps.invert),
    "posterize": (lambda x: ops.posterize(x, 2), lambda picture: ImageOps.posterize(picture, 2)),
    "solarize": (lambda x: ops.solarize(x, 77), lambda picture: ImageOps.solarize(picture, 77)),
    "saturate": (lambda x: ops.saturate(x, 1.6), enhanced(ImageEnhance.Color, 1.6)),
    "less color": (lambda x: ops.saturate(x, 0.4), enhanced(ImageEnhance.Color, 0.4)),
    "contrast": (lambda x: ops.change_contrast(x, 1.6), enhanced(ImageEnhance.Contrast, 1.6)),
    "brightness": (lambda x: ops.brighten(x, 1.6), enhanced(ImageEnhance.Brightness, 1.6)),
    "sharpness": (lambda x: ops.sharpen(x, 1.6), enhanced(ImageEnhance.Sharpness, 1.6)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_an_operation_is_that_of_pillow(name):
    ours, theirs = PAIRS[name]
    frames = frames_of()
    found, expected = ours(frames).int(), by_pillow(frames, theirs).int()
    assert (found - expected).abs().max() <= 1
    assert not torch.equal(found, frames.int())


def test_the_darker_half_gets_lighter():
    found = ops.solarize_add(torch.tensor([0, 127, 128, 255], dtype=torch.uint8).reshape(1, 1, 2, 2), 110)
    assert found.flatten().tolist() == [110, 237, 128, 255]


def test_a_flat_picture_stays():
    flat = torch.full((1, 3, 8, 8), 40, dtype=torch.uint8)
    assert torch.equal(ops.auto_contrast(flat), flat)
    assert torch.equal(ops.equalize(flat), flat)


def test_a_shift_shows_the_ground_where_nothing_is():
    frames = frames_of()
    moved = ops.warp(frames, ((1, 0, 3), (0, 1, 0)))  # at x is what was at x + 3
    assert torch.equal(moved[..., :-3], frames[..., 3:])
    ground = torch.tensor(ops.GROUND, dtype=torch.uint8)[:, None, None].expand(2, 3, 32, 3)
    assert torch.equal(moved[..., -3:], ground)


def test_a_quarter_turn_is_a_turn_of_the_picture():
    square = frames_of()[..., :32]
    assert torch.equal(ops.warp(square, ((0, -1, 0), (1, 0, 0))), torch.rot90(square, 1, (-2, -1)))


def test_a_clip_alone_decides_what_happens_to_it():
    clips = torch.stack([frames_of(0), frames_of(1)])
    draws = torch.rand(2, 4, DRAWS, generator=torch.Generator().manual_seed(1))
    both = rand_augment(clips, draws, 7)
    assert torch.equal(both[1:], rand_augment(clips[1:], draws[1:], 7))
    assert not torch.equal(both, clips)
    draws[..., 0] = 0.5  # none happens
    assert torch.equal(rand_augment(clips, draws, 7), clips)


def test_operations_are_as_frequent_as_each_other_and_strong_as_said():
    assert len(OPERATIONS) == 15
    clip = torch.full((1, 1, 3, 8, 8), 100, dtype=torch.uint8)
    which = (list(OPERATIONS).index("brightness") + 0.5) / 15
    # A uniform pair (0, x) is the mean: the magnitude 7 of 10, so that a level is multiplied by 1 -+ .9 * .7.
    found = [rand_augment(clip, torch.tensor([[[0, which, 0, 0, side]]]), 7).unique().tolist() for side in (0.9, 0.1)]
    assert found == [[37], [163]]


def test_normal_numbers_have_mean_0_and_deviation_1():
    rng = np.random.default_rng(0)
    numbers = [normal(*pair) for pair in rng.random((20_000, 2))]
    assert abs(np.mean(numbers)) < 0.03
    assert abs(np.std(numbers) - 1) < 0.02
