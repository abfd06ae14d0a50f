"""EgoVLPv2 that answers questions about clips: one class for each answer that training has (2307.05463, section 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from egocurate.models.egovlpv2.config import EgoVLPv2Config
from egocurate.models.egovlpv2.model import EgoVLPv2

HEAD = "answer_head."
"""how the names of the head's parameters begin"""

_OTHER_HEADS = ("vid_proj.", "txt_proj.", "text_transform.", "video_transform.", "mlm_head.", "vtm_head.")


class EgoVLPv2Answers(EgoVLPv2):
    """EgoVLPv2 with a head on the fused [CLS] of the clip: two linear maps to as many channels as there are answers.

    The fused layers, what is below them and the head learn; with `head_only` the head alone.
    """

    graphs = ("forward",)

    def __init__(self, config: EgoVLPv2Config, answers: int, *, dropout: float = 0.2, head_only: bool = False) -> None:
        """Raise ValueError for sizes that do not fit."""
        super().__init__(config)
        self.head_only = head_only
        width = config.video.width
        self.answer_head = nn.Sequential(
            nn.Linear(width, answers), nn.ReLU(), nn.Dropout(dropout), nn.Linear(answers, answers)
        )
        unread = self._unread()
        for name, parameter in self.named_parameters():
            learns = name.startswith(HEAD) if head_only else not name.startswith(unread)
            parameter.requires_grad_(learns)

    def forward(self, ids: Tensor, mask: Tensor, frames: Tensor) -> Tensor:
        """Map questions (ids, mask [B, L]) and normalized frames [B, T, 3, S, S] to logits [B, answers]."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.head_only):
            _, clip = self.fuse(self.lower_video(frames), self.lower_text(ids, mask))
        return self.answer_head(clip)

    def train(self, mode: bool = True) -> EgoVLPv2Answers:
        """Set the mode of what learns: with `head_only` the towers drop nothing."""
        super().train(mode)
        if self.head_only:
            for name, part in self.named_children():
                part.train(mode and HEAD.startswith(name))
        return self

    def _unread(self) -> tuple[str, ...]:
        """Return how the names begin of what the fused [CLS] does not depend on, the last text layer among it."""
        last = f"text.model.encoder.layer.{self.text.depth - 1}."
        own_cls = () if self.config.shared else ("video.cls_token",)
        gate = () if not self.config.fused_layers else (f"text_gates.{self.config.fused_layers - 1}.",)
        return (*_OTHER_HEADS, "video.norm.", last, *gate, *own_cls)
