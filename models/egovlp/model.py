"""EgoVLP's dual encoder (2206.01670): a video tower, a text tower and one shared space of 256 dimensions."""

from __future__ import annotations

from torch import Tensor, nn

from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.layers.distilbert import TextTower
from egocurate.models.layers.video_tower import VideoTower


class EgoVLP(nn.Module):
    """Dual encoder whose similarity is the cosine of two embeddings."""

    def __init__(self, config: EgoVLPConfig) -> None:
        super().__init__()
        self.config = config
        self.video = VideoTower(config.video)
        self.text = TextTower(config.text)
        self.vid_proj = nn.Linear(config.video.width, config.projection)
        self.txt_proj = nn.Sequential(nn.ReLU(), nn.Linear(self.text.width, config.projection))

    def encode_video(self, frames: Tensor) -> Tensor:
        """Embed normalized frames [B, T, 3, S, S] as [B, projection], not yet of unit length."""
        return self.vid_proj(self.video(frames))

    def encode_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed token ids [B, L] with their mask [B, L] as [B, projection], not yet of unit length."""
        return self.txt_proj(self.text(ids, mask))

    def encode_tokens(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the text tower's last hidden states [B, L, D] of token ids [B, L] with their mask [B, L]."""
        return self.text.states(ids, mask)

    def forward(self, ids: Tensor, mask: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Embed texts and clips in one call, as data-parallel wrappers need it: ([B, P], [B, P])."""
        return self.encode_text(ids, mask), self.encode_video(frames)
