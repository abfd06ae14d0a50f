"""A frozen encoder as the teacher of VideoPrism's second stage: its tokens on the student's grid."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from egocurate.errors import InputError
from egocurate.models.frozen.hub_encoder import HubEncoder
from egocurate.models.videoprism.config import EncoderConfig


class FrozenTeacher(nn.Module):
    """In the place of the first stage's video tower: whole clips in, a token of every place and time and a clip's out.

    Frames are resized so that the teacher's patches are the student's places, a token of several frames stands for each
    of them, and where embeddings are of another width than tokens (CLIP's are), the mean of the tokens stands for the
    clip. Cosines compare channels one by one, so teacher and student must be as wide as each other.
    """

    def __init__(self, encoder: HubEncoder, student: EncoderConfig) -> None:
        """Raise InputError, one line, for an encoder whose tokens cannot stand for the student's."""
        super().__init__()
        sizes = encoder.sizes
        if sizes.width != student.width:
            raise InputError(
                f"objective.teacher: its tokens have {sizes.width} channels, the student's {student.width}; cosines "
                f"need as many: --set model.encoder.width={sizes.width}, or take another teacher"
            )
        self.size = student.image // student.patch * sizes.patch
        try:
            sizes.check(self.size, student.frames)
        except InputError as error:
            raise InputError(
                f"objective.teacher: seen by its patches the student's frames of {student.image} pixels are {self.size}"
                f" a side, and its clips have {student.frames} frames ({error}); change model.encoder, or the teacher"
            ) from error
        self.encoder = encoder

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Map frames [B, T, 3, S, S] in [0, 1] to tokens [B, T * N, D], by time, row, column, and clips [B, D]."""
        shape = (self.size, self.size)
        if frames.shape[-2:] != shape:
            resized = F.interpolate(frames.flatten(0, 1), shape, mode="bilinear", antialias=True)
            frames = resized.unflatten(0, frames.shape[:2])
        tokens, clip = self.encoder(self.encoder.normalize(frames * 255))
        slots = frames.shape[1] // self.encoder.sizes.tubelet
        by_time = tokens.unflatten(1, (slots, -1)).repeat_interleave(self.encoder.sizes.tubelet, dim=1)
        return by_time.flatten(1, 2), clip if clip.shape[1] == tokens.shape[2] else tokens.mean(1)
