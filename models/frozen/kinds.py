"""The encoders of transformers that can be used frozen, by model_type: how each is asked, and what it was made for.

A kind is one entry of `KINDS`: the class that reads its folder, its sizes, and what its forward pass gives of a clip.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from egocurate.models.frozen.encoder import CLIP_PIXELS, IMAGENET_PIXELS, Pixels, Seen, Sizes
from egocurate.models.frozen.perception import embed_perception_texts, perception_sizes, see_perception

_HALVES = Pixels(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def _embed_texts(model: nn.Module, ids: Tensor, mask: Tensor | None) -> Tensor:
    return model.get_text_features(input_ids=ids, attention_mask=mask).pooler_output


@dataclass(frozen=True)
class Kind:
    """How one of transformers' models is asked."""

    model: str
    """its class in transformers"""
    sizes: Callable[[Any], Sizes]
    """of its config"""
    see: Callable[[nn.Module, Tensor], Seen]
    """normalized clips [B, T, 3, S, S] -> what it gives of them"""
    pixels: Pixels = IMAGENET_PIXELS
    """of transformers' own processor, where the folder does not say"""
    embed_texts: Callable[[nn.Module, Tensor, Tensor | None], Tensor] = _embed_texts
    """token ids [B, L], with a mask [B, L] where padding is not read -> their embeddings [B, E]"""
    within: str = ""
    """transformers' config of a larger model that this one is a part of, and says its sizes as `video_config`"""
    needs: str = ""
    """a package that its class is made with, beside transformers"""


def _frame_by_frame(see: Callable[[nn.Module, Tensor], Seen]) -> Callable[[nn.Module, Tensor], Seen]:
    """Return how an encoder of single images sees clips: its tokens frame after frame, the mean of its embeddings."""

    def see_clips(model: nn.Module, clips: Tensor) -> Seen:
        batch, frames = clips.shape[:2]
        tokens, images = see(model, clips.flatten(0, 1))
        return Seen(tokens.unflatten(0, (batch, frames)).flatten(1, 2), images.unflatten(0, (batch, frames)).mean(1))

    return see_clips


def _image_pass(model: nn.Module) -> Callable[..., Any]:
    """Return what sees images: of a dual encoder a part of it, of an image tower alone its forward pass."""
    return getattr(model, "get_image_features", model)


def _see_clip(model: nn.Module, images: Tensor) -> Seen:
    found = _image_pass(model)(images, interpolate_pos_encoding=True)
    return Seen(found.last_hidden_state[:, 1:], found.pooler_output)


def _see_siglip(model: nn.Module, images: Tensor) -> Seen:
    found = _image_pass(model)(images, interpolate_pos_encoding=True)
    return Seen(found.last_hidden_state, found.pooler_output)


def _see_siglip2(model: nn.Module, images: Tensor) -> Seen:
    vision = getattr(model.config, "vision_config", model.config)
    patch, (height, width) = vision.patch_size, images.shape[-2:]
    rows, columns = height // patch, width // patch
    patches = images.unflatten(-1, (columns, patch)).unflatten(-3, (rows, patch))  # [M, 3, rows, p, columns, p]
    patches = patches.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
    shape = torch.tensor([[rows, columns]]).expand(len(images), -1)
    whole = torch.ones(patches.shape[:2], dtype=torch.long, device=images.device)
    found = _image_pass(model)(pixel_values=patches, pixel_attention_mask=whole, spatial_shapes=shape)
    return Seen(found.last_hidden_state, found.pooler_output)


def _see_dino(model: nn.Module, images: Tensor) -> Seen:
    found = model(images)
    before = 1 + getattr(model.config, "num_register_tokens", 0)
    return Seen(found.last_hidden_state[:, before:], found.pooler_output)


def _see_vjepa2(model: nn.Module, clips: Tensor) -> Seen:
    tokens = model.get_vision_features(clips)
    return Seen(tokens, tokens.mean(1))


def _see_video(model: nn.Module, clips: Tensor) -> Seen:
    tokens = model(clips).last_hidden_state
    return Seen(tokens, tokens.mean(1))


def _image_sizes(config: Any) -> Sizes:  # noqa: ANN401 (any of transformers)
    width, patch = config.hidden_size, _side(config.patch_size)
    # SigLIP 2 of any aspect says how many patches it reads, not how many pixels.
    image = getattr(config, "image_size", 0) or int(config.num_patches**0.5) * patch
    return Sizes(_side(image), patch, width, width)


def _dual_sizes(config: Any) -> Sizes:  # noqa: ANN401
    images, text = _image_sizes(config.vision_config), config.text_config
    embedding = getattr(config, "projection_dim", 0) or images.width  # SigLIP has no maps into its space
    texts = {"text_tokens": text.max_position_embeddings, "text_pieces": text.vocab_size}
    return replace(images, embedding=embedding, **texts)


def _siglip_sizes(config: Any) -> Sizes:  # noqa: ANN401
    sizes = _dual_sizes(config)
    return replace(sizes, embedding=sizes.width, pads_texts=True)


def _vjepa2_sizes(config: Any) -> Sizes:  # noqa: ANN401
    width, patch = config.hidden_size, _side(config.patch_size)
    return Sizes(config.crop_size, patch, width, width, config.frames_per_clip, config.tubelet_size)


def _videomae_sizes(config: Any) -> Sizes:  # noqa: ANN401
    fixed = {"any_size": False, "any_frames": False}
    return replace(_image_sizes(config), frames=config.num_frames, tubelet=config.tubelet_size, **fixed)


def _videoprism_sizes(config: Any) -> Sizes:  # noqa: ANN401
    config = getattr(config, "vision_config", config)
    tubelet, patch, _ = config.tubelet_size
    width = config.hidden_size
    own = Sizes(_side(config.image_size), patch, width, width, config.num_frames, tubelet)
    return replace(own, any_size=False, any_frames=False)


def _side(size: Any) -> int:  # noqa: ANN401 (a number, or one for each side)
    return int(size if isinstance(size, int) else size[0])


_VIDEOPRISM = Kind("VideoPrismVisionModel", _videoprism_sizes, _see_video, pixels=Pixels())
_DINOV2 = Kind("Dinov2Model", _image_sizes, _frame_by_frame(_see_dino))
_CLIP = Kind("CLIPModel", _dual_sizes, _frame_by_frame(_see_clip), pixels=CLIP_PIXELS)
_SIGLIP = Kind("SiglipModel", _siglip_sizes, _frame_by_frame(_see_siglip), pixels=_HALVES)
_SIGLIP2 = Kind("Siglip2Model", _siglip_sizes, _frame_by_frame(_see_siglip2), pixels=_HALVES)
_PERCEPTION = Kind(
    "PeVideoModel",
    perception_sizes,
    see_perception,
    pixels=_HALVES,
    embed_texts=embed_perception_texts,
    needs="timm",
)
KINDS: dict[str, Kind] = {
    "clip": _CLIP,
    "clip_vision_model": replace(_CLIP, model="CLIPVisionModel", sizes=_image_sizes),
    "siglip": _SIGLIP,
    "siglip_vision_model": replace(_SIGLIP, model="SiglipVisionModel", sizes=_image_sizes),
    "siglip2": _SIGLIP2,
    "siglip2_vision_model": replace(_SIGLIP2, model="Siglip2VisionModel", sizes=_image_sizes),
    "vjepa2": Kind("VJEPA2Model", _vjepa2_sizes, _see_vjepa2),
    "videomae": Kind("VideoMAEModel", _videomae_sizes, _see_video),
    "videoprism": _VIDEOPRISM,
    "videoprism_vision_model": _VIDEOPRISM,
    "dinov2": _DINOV2,
    "dinov2_with_registers": replace(_DINOV2, model="Dinov2WithRegistersModel"),
    "dinov3_vit": Kind("DINOv3ViTModel", _image_sizes, _frame_by_frame(_see_dino)),
    "pe_video": _PERCEPTION,
    "pe_audio_video": replace(_PERCEPTION, within="PeAudioVideoConfig"),
}
"""By the model_type of a config.json."""
