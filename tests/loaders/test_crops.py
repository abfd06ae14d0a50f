import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from egocurate.loaders.crops import ASPECT_RATIO, View, center_view, crop_and_resize, random_view
from egocurate.loaders.order.counter_rng import Purpose, generator


def view_rng(sample):
    return generator(0, 0, Purpose.VIEW, sample)


@settings(max_examples=300)
@given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 2**40), st.floats(0.05, 1), st.floats(0.05, 1))
def test_random_views_lie_in_the_frame(height, width, sample, a, b):
    scale = (min(a, b), max(a, b))
    view = random_view(view_rng(sample), height, width, scale=scale, flip=True)
    assert view.height >= 1 and view.width >= 1
    assert view.top >= 0 and view.top + view.height <= height
    assert view.left >= 0 and view.left + view.width <= width


def test_random_views_have_the_asked_area_ratio_and_place():
    views = [random_view(view_rng(s), 256, 340, scale=(0.5, 1.0), flip=True) for s in range(4000)]
    area = np.array([view.height * view.width for view in views]) / (256 * 340)
    ratio = np.array([view.width / view.height for view in views])
    assert area.min() > 0.49 and area.max() <= 1
    assert ratio.min() > ASPECT_RATIO[0] * 0.98 and ratio.max() < ASPECT_RATIO[1] * 1.02
    assert 0.46 < np.mean([view.flip for view in views]) < 0.54
    space = np.array([view.left / (340 - view.width) for view in views if view.width < 300])
    assert abs(space.mean() - 0.5) < 0.02 and space.min() < 0.01 and space.max() > 0.99
    assert not any(random_view(view_rng(s), 99, 99, scale=(0.5, 1.0), flip=False).flip for s in range(20))


def test_a_frame_too_long_for_any_box_gives_the_largest_centered_one():
    assert random_view(view_rng(0), 100, 1000, scale=(1.0, 1.0), flip=False) == View(0, 433, 100, 133)
    assert random_view(view_rng(0), 1000, 100, scale=(1.0, 1.0), flip=False) == View(433, 0, 133, 100)


def test_center_view_is_the_short_side_squared():
    assert center_view(256, 340) == View(0, 42, 256, 256)
    assert center_view(341, 256) == View(42, 0, 256, 256)


def test_show_is_antialiased_bilinear_of_the_box():
    frames = torch.randint(0, 256, (3, 96, 128, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    view = View(5, 20, 80, 90, flip=True)
    got = crop_and_resize(frames, view, 32)
    part = frames[:, :, 5:85, 20:110].float()
    expected = F.interpolate(part, size=(32, 32), mode="bilinear", antialias=True).flip(-1)
    assert got.dtype == torch.uint8 and got.shape == (3, 3, 32, 32)
    assert (got.float() - expected).abs().max() <= 1.01
    assert torch.equal(crop_and_resize(frames, View(0, 0, 32, 32), 32), frames[..., :32, :32])


def test_show_is_the_same_for_any_number_of_threads():
    frames = torch.randint(0, 256, (8, 240, 320, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    view = View(3, 7, 200, 260, flip=True)
    shown = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        shown.append(crop_and_resize(frames, view, 224))
    torch.set_num_threads(1)
    assert torch.equal(*shown)
