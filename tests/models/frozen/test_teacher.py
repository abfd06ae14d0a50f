"""A frozen encoder as a teacher: what it gives stands where the student's tokens stand."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from egocurate.errors import InputError
from egocurate.models.frozen.hub_encoder import HubEncoder, frozen_config
from egocurate.models.frozen.teacher import FrozenTeacher
from egocurate.models.videoprism.config import EncoderConfig
from tests.models.frozen.tiny_encoders import needs_timm, pixels, write_encoder

torch.set_num_threads(1)
STUDENT = EncoderConfig(image=32, patch=8, frames=4, width=16, depth=1, time_depth=1, heads=2, hidden=32)


def encoder_of(kind, folder):
    model = write_encoder(kind, folder)
    return HubEncoder(frozen_config(folder)), model


def frames(size=32):
    return torch.randint(0, 256, (2, 4, 3, size, size), generator=torch.Generator().manual_seed(1)).byte()


@torch.no_grad()
def test_tokens_and_clips_are_those_of_the_encoder(tmp_path):
    encoder, theirs = encoder_of("dinov3_vit", tmp_path)
    tokens, clip = FrozenTeacher(encoder, STUDENT)(frames() / 255)
    of_frames = [theirs(pixels(frames())[:, time]) for time in range(4)]
    expected = torch.cat([found.last_hidden_state[:, 4:] for found in of_frames], dim=1)
    torch.testing.assert_close(tokens, expected, rtol=1e-5, atol=1e-5)
    expected = torch.stack([found.pooler_output for found in of_frames]).mean(0)
    torch.testing.assert_close(clip, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_token_of_two_frames_stands_for_both(tmp_path):
    encoder, theirs = encoder_of("vjepa2", tmp_path)
    tokens, clip = FrozenTeacher(encoder, replace(STUDENT, width=24))(frames() / 255)
    expected = theirs(pixels(frames()), skip_predictor=True).last_hidden_state
    assert tokens.shape == (2, 64, 24)
    for time in range(4):
        places = expected[:, time // 2 * 16 : time // 2 * 16 + 16]
        torch.testing.assert_close(tokens[:, time * 16 : time * 16 + 16], places, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(clip, expected.mean(1), rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["clip", pytest.param("pe_video", marks=needs_timm)])
def test_embeddings_of_another_width_give_way_to_the_mean_of_tokens(tmp_path, kind):
    tokens, clip = FrozenTeacher(encoder_of(kind, tmp_path)[0], STUDENT)(frames() / 255)
    assert tokens.shape == (2, 64, 16)
    torch.testing.assert_close(clip, tokens.mean(1))


@torch.no_grad()
def test_frames_are_resized_to_the_students_grid(tmp_path):
    encoder, _ = encoder_of("dinov3_vit", tmp_path)
    teacher = FrozenTeacher(encoder, replace(STUDENT, image=60, patch=15))  # four by four places, of 8 pixels here
    seen = F.interpolate(frames(60).flatten(0, 1) / 255, (32, 32), mode="bilinear", antialias=True)
    expected = encoder(encoder.normalize(seen.unflatten(0, (2, 4)) * 255)).tokens
    torch.testing.assert_close(teacher(frames(60) / 255)[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "student", "words"),
    [
        ("dinov3_vit", replace(STUDENT, width=48), "its tokens have 16 channels, the student's 48; .*width=16"),
        ("videomae", replace(STUDENT, frames=8), "this encoder takes 4 alone"),
        ("videomae", replace(STUDENT, image=48), "are 48 a side.*takes 32 alone"),
        ("vjepa2", replace(STUDENT, width=24, frames=3), "reads 2 at a time"),
    ],
)
def test_a_teacher_that_does_not_fit_is_one_line(tmp_path, kind, student, words):
    encoder, _ = encoder_of(kind, tmp_path)
    with pytest.raises(InputError, match=words) as raised:
        FrozenTeacher(encoder, student)
    assert "\n" not in str(raised.value)
