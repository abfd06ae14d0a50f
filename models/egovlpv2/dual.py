"""EgoVLPv2 as a dual encoder alone: what retrieval is tuned with (2307.05463, section 4)."""

from __future__ import annotations

from torch import Tensor

from egocurate.models.egovlpv2.config import EgoVLPv2Config
from egocurate.models.egovlpv2.model import EgoVLPv2

_LEARNS = ("video.", "text.", "vid_proj.", "txt_proj.")


class EgoVLPv2Dual(EgoVLPv2):
    """EgoVLPv2 whose towers and projectors learn; what fuses them stays as it is loaded, for who fuses later."""

    graphs = ("encode_text", "encode_video")

    def __init__(self, config: EgoVLPv2Config) -> None:
        """Raise ValueError for sizes that do not fit."""
        super().__init__(config)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.startswith(_LEARNS))

    def forward(self, ids: Tensor, mask: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Embed texts (ids, mask [B, L]) and clips [B, T, 3, S, S] in one call: ([B, P], [B, P])."""
        return self.encode_text(ids, mask), self.encode_video(frames)
