"""One tiny encoder of transformers of each kind, drawn at random, and what its own forward pass gives of a clip."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

BLOCKS = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TOWER = {"hidden_size": 16, **BLOCKS}
TEXT = {"vocab_size": 64, "max_position_embeddings": 12, **TOWER}
VISION = {"image_size": 32, "patch_size": 8, **TOWER}
IMAGE = {"size": {"height": 32, "width": 32}, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.25]}


def clip():
    text = {**TEXT, "eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 0}
    return transformers.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=10)


def siglip():
    return transformers.SiglipConfig(text_config={**TEXT, "projection_size": 16}, vision_config=VISION)


def siglip2():
    vision = {**TOWER, "patch_size": 8, "num_patches": 16}
    return transformers.Siglip2Config(text_config={**TEXT, "projection_size": 16}, vision_config=vision)


def clip_vision_model():
    return clip().vision_config


def siglip_vision_model():
    return siglip().vision_config


def siglip2_vision_model():
    return siglip2().vision_config


def vjepa2():
    predictor = {"pred_hidden_size": 16, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1}
    sizes = {"crop_size": 32, "patch_size": 8, "frames_per_clip": 4, "mlp_ratio": 2.0}
    tower = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}  # heads of 12: rotary in three axes
    return transformers.VJEPA2Config(**tower, **sizes, **predictor)


def videomae():
    decoder = {"decoder_hidden_size": 8, "decoder_num_attention_heads": 2, "decoder_num_hidden_layers": 1}
    return transformers.VideoMAEConfig(**VISION, **decoder, num_frames=4, use_mean_pooling=False)


def videoprism():
    sizes = {"image_size": 32, "tubelet_size": [1, 8, 8], "num_frames": 4, "hidden_size": 16}
    layers = {"num_spatial_layers": 2, "num_temporal_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return transformers.VideoPrismVisionConfig(**sizes, **layers)


def dinov2():
    return transformers.Dinov2Config(**{**VISION, "mlp_ratio": 2})


def dinov2_with_registers():
    return transformers.Dinov2WithRegistersConfig(**{**VISION, "mlp_ratio": 2, "num_register_tokens": 3})


def dinov3_vit():
    return transformers.DINOv3ViTConfig(**VISION, num_register_tokens=3)


def pe_video():
    video = {**TOWER, "head_dim": 8, "vision_config": timm_image_encoder()}
    return transformers.PeVideoConfig(text_config=modernbert(), video_config=video)


def pe_audio_video():
    dac = {"model_type": "dac", "encoder_hidden_size": 4, "decoder_hidden_size": 8, "codebook_dim": 4}
    dac |= {"downsampling_ratios": [2, 2], "upsampling_ratios": [2, 2], "n_codebooks": 1, "codebook_size": 8}
    tower = {**TOWER, "head_dim": 8}
    audio = {"model_type": "pe_audio_encoder", "dac_config": dac, **tower}
    video = {"model_type": "pe_video_encoder", "vision_config": timm_image_encoder(), **tower}
    both = {"audio_config": audio, "video_config": video, **tower}
    return transformers.PeAudioVideoConfig(text_config=modernbert(), audio_video_config=both)


def modernbert():
    special = {"pad_token_id": 0, "eos_token_id": 2, "bos_token_id": 1, "cls_token_id": 1, "sep_token_id": 2}
    return {"model_type": "modernbert", **TEXT, "hidden_size": 12, **special}


def timm_image_encoder():
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "global_pool": "map"}
    names = {"architecture": "vit_pe_core_tiny_patch16_384", "num_classes": 10, "label_names": list("abcdefghij")}
    return {"model_type": "timm_wrapper", **names, "model_args": sizes}


CONFIGS = {
    "clip": clip,
    "siglip": siglip,
    "siglip2": siglip2,
    "clip_vision_model": clip_vision_model,
    "siglip_vision_model": siglip_vision_model,
    "siglip2_vision_model": siglip2_vision_model,
    "vjepa2": vjepa2,
    "videomae": videomae,
    "videoprism_vision_model": videoprism,
    "dinov2": dinov2,
    "dinov2_with_registers": dinov2_with_registers,
    "dinov3_vit": dinov3_vit,
    "pe_video": pe_video,
    "pe_audio_video": pe_audio_video,
}
CLASSES = {
    "clip": "CLIPModel",
    "siglip": "SiglipModel",
    "siglip2": "Siglip2Model",
    "clip_vision_model": "CLIPVisionModel",
    "siglip_vision_model": "SiglipVisionModel",
    "siglip2_vision_model": "Siglip2VisionModel",
    "vjepa2": "VJEPA2Model",
    "videomae": "VideoMAEModel",
    "videoprism_vision_model": "VideoPrismVisionModel",
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "dinov3_vit": "DINOv3ViTModel",
    "pe_video": "PeVideoModel",
    "pe_audio_video": "PeAudioVideoModel",
}
DUAL = ("clip", "siglip", "siglip2")
PERCEPTION = ("pe_video", "pe_audio_video")


def _why_no_timm() -> str:
    """Say why timm, of which Perception Encoder is made, cannot be used here; nothing if it can."""
    try:
        import timm  # noqa: F401
    except Exception as error:  # its torchvision, made for another torch, raises anything
        return f"timm cannot be imported: {error}"
    return ""


needs_timm = pytest.mark.skipif(bool(_why_no_timm()), reason=_why_no_timm())
ALL_KINDS = [pytest.param(kind, marks=needs_timm) if kind in PERCEPTION else kind for kind in CONFIGS]


def write_encoder(kind: str, folder: Path) -> torch.nn.Module:
    """Write a folder as its authors would, weights, config and processor; returns the model of transformers."""
    torch.manual_seed(5)
    model = getattr(transformers, CLASSES[kind])(CONFIGS[kind]()).eval()
    for parameter in model.parameters():  # what is drawn as 0 or 1 would hide a mistake
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    if kind.startswith("siglip2"):
        said = {key: IMAGE[key] for key in ("image_mean", "image_std")} | {"max_num_patches": 16, "patch_size": 8}
    else:
        said = IMAGE
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return model


def pixels(frames: Tensor) -> Tensor:
    """uint8 frames as IMAGE says."""
    mean, std = (torch.tensor(IMAGE[key])[:, None, None] for key in ("image_mean", "image_std"))
    return (frames / 255 - mean) / std


@torch.no_grad()
def expected_embedding(kind: str, model: torch.nn.Module, frames: Tensor) -> Tensor:
    """What transformers' own forward pass gives of uint8 clips [B, T, 3, S, S], one clip and one frame at a time."""
    rows = []
    for one in pixels(frames):
        if kind == "vjepa2":
            rows.append(model(one[None], skip_predictor=True).last_hidden_state.mean(1))
        elif kind in PERCEPTION:
            whole = model.video_model if kind == "pe_audio_video" else model
            rows.append(whole(input_ids=torch.ones(1, 3, dtype=torch.long), pixel_values_videos=one[None]).video_embeds)
        elif kind in ("videomae", "videoprism_vision_model"):
            rows.append(model(one[None]).last_hidden_state.mean(1))
        else:
            rows.append(torch.stack([_of_image(kind, model, image) for image in one]).mean(0))
    return torch.cat(rows)


def _of_image(kind: str, model: torch.nn.Module, image: Tensor) -> Tensor:
    if kind == "clip":
        return model.visual_projection(model.vision_model(image[None]).pooler_output)
    if kind == "siglip":
        return model.vision_model(image[None]).pooler_output
    if kind.startswith("siglip2"):
        size = 8
        patches = torch.stack(
            [
                image[:, y : y + size, x : x + size].permute(1, 2, 0).flatten()
                for y in range(0, image.shape[1], size)
                for x in range(0, image.shape[2], size)
            ]
        )[None]
        rows = image.shape[1] // size
        return getattr(model, "vision_model", model)(
            patches, torch.ones(1, patches.shape[1], dtype=torch.long), torch.tensor([[rows, rows]])
        ).pooler_output
    return model(image[None]).pooler_output
