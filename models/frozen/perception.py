"""Perception Encoder for video (PE-AV's video tower, `pe_video` of transformers): its sizes, and how it is asked.

timm's image encoder sees each frame, a transformer over the frames' embeddings makes the clip's, and texts have a
ModernBERT. Places are those of the image encoder; the transformer over time has one token a frame.
"""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import Tensor, nn

from egocurate.models.frozen.encoder import Seen, Sizes

FRAMES = 16
"""frames of a clip, unless `data.frames` says otherwise; its authors publish encoders that were tuned to as many"""


def perception_sizes(config: Any) -> Sizes:  # noqa: ANN401 (PeVideoConfig)
    """Return what an encoder takes and gives; its image encoder is built without numbers, as timm alone knows it."""
    with torch.device("meta"):
        tower = transformers.AutoModelForImageClassification.from_config(config.video_config.vision_config).timm_model
    return Sizes(
        tower.patch_embed.img_size[0],
        tower.patch_embed.patch_size[0],
        tower.embed_dim,
        config.text_config.hidden_size,
        frames=FRAMES,
        text_tokens=config.text_config.max_position_embeddings,
        text_pieces=config.text_config.vocab_size,
        any_size=tower.dynamic_img_size,
    )


def see_perception(model: nn.Module, clips: Tensor) -> Seen:
    """Map normalized clips [B, T, 3, S, S] to the image encoder's tokens of all frames, and the clips' embeddings."""
    tower, seen = model.video_encoder.embedder.vision_model.timm_model, []
    # What the image encoder gives its pooling: asking for it apart would see every frame twice.
    hook = tower.norm.register_forward_hook(lambda _, __, tokens: seen.append(tokens))
    try:
        clip = model.video_encoder(clips).pooler_output
    finally:
        hook.remove()
    places = seen[0][:, tower.num_prefix_tokens :]
    return Seen(places.unflatten(0, clips.shape[:2]).flatten(1, 2), model.video_head(clip))


def embed_perception_texts(model: nn.Module, ids: Tensor, mask: Tensor | None) -> Tensor:
    """Embed token ids [B, L] with their mask [B, L] beside the clips, [B, E]: what its first token has become."""
    states = model.text_model(input_ids=ids, attention_mask=mask).last_hidden_state
    return model.text_video_head(states[:, 0])
