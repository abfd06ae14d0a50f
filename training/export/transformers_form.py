"""A model as transformers opens it: its class's names and config, the tokenizer, and what pixels go through."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    PreTrainedModel,
    VideoMAEConfig,
    VideoMAEForPreTraining,
    VideoPrismClipModel,
    VideoPrismConfig,
    VideoPrismTextConfig,
    VideoPrismVisionConfig,
    VideoPrismVisionModel,
)

from egocurate.errors import InputError
from egocurate.models.videomae import weights as videomae
from egocurate.models.videomae.model import VideoMAE
from egocurate.models.videoprism import weights as videoprism
from egocurate.models.videoprism.config import EncoderConfig, PrismTextConfig
from egocurate.models.videoprism.distillation import Student
from egocurate.models.videoprism.model import VideoPrism
from egocurate.storage.atomic import write_json
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.export.pixels import preprocessor
from egocurate.training.run.checkpoint_folders import SAVED_WEIGHTS
from egocurate.training.systems.base import System

_OPENED = (
    "from transformers import {kind}\n\n"
    'model, loading = {kind}.from_pretrained("FOLDER", output_loading_info=True){after}\n'
    'assert not loading["missing_keys"]'
)
_EPS = "\nmodel.decoder.norm.eps = 1e-6  # transformers has 1e-5 there, whatever a config says"
_EAGER = "  # pass attention_mask with texts"


def write_transformers(system: System, config: TrainConfig, folder: Path) -> str:
    """Write what `AutoModel.from_pretrained(folder)` opens; returns Python that opens it.

    Raises InputError for a system that transformers has no class for.
    """
    model, after = system.model, ""
    if isinstance(model, VideoMAE):
        theirs, source, state_of, after = _videomae(model), model, videomae.transformers_state, _EPS
        write_json(
            folder / "preprocessor_config.json", preprocessor(config, image_processor_type="VideoMAEImageProcessor")
        )
        kind = "VideoMAEVideoProcessor"
    else:
        theirs, source = _videoprism(model, config)
        state_of, kind = videoprism.transformers_state, "LlavaOnevisionVideoProcessor"
        after = _EAGER if isinstance(source, VideoPrism) else ""
    write_json(folder / "video_preprocessor_config.json", preprocessor(config, video_processor_type=kind))
    # Of buffers it saves those that are its own alone, as `save_pretrained` would.
    state = {name: value.detach().cpu().contiguous() for name, value in state_of(source, theirs.state_dict()).items()}
    save_file(state, folder / SAVED_WEIGHTS, metadata={"format": "pt"})
    described = theirs.config.to_dict() | {"architectures": [type(theirs).__name__], "dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(described, indent=2, default=str) + "\n")
    if system.tokens:  # where AutoTokenizer looks for it
        system.tokens.tokenizer.save_pretrained(folder)
    return _OPENED.format(kind=type(theirs).__name__, after=after)


def _videomae(model: VideoMAE) -> PreTrainedModel:
    sizes = model.config
    config = VideoMAEConfig(
        image_size=sizes.image,
        patch_size=sizes.patch,
        num_frames=sizes.frames,
        tubelet_size=sizes.tubelet,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.depth,
        num_attention_heads=sizes.heads,
        intermediate_size=4 * sizes.width,
        decoder_hidden_size=sizes.decoder_width,
        decoder_num_hidden_layers=sizes.decoder_depth,
        decoder_num_attention_heads=sizes.decoder_heads,
        decoder_intermediate_size=4 * sizes.decoder_width,
        layer_norm_eps=1e-6,
        use_mean_pooling=False,  # or its encoder would leave out the last LayerNorm
    )
    with torch.device("meta"):  # of it there are names
        return VideoMAEForPreTraining(config)


def _videoprism(model: torch.nn.Module, config: TrainConfig) -> tuple[PreTrainedModel, torch.nn.Module]:
    """Return transformers' model, without weights, and that part of ours which it is."""
    if not isinstance(model, VideoPrism | Student):
        raise InputError(
            f"--to hf: transformers has no class for a model of {config.system}: take --to egovlp for its authors' "
            "code, or safetensors"
        )
    encoder = config.model.encoder
    if not encoder.cap or (isinstance(model, VideoPrism) and not config.model.text.cap):
        raise InputError("--to hf: transformers' VideoPrism bounds attention's logits, this model has cap=0")
    auxiliary = config.model.auxiliary_depth if isinstance(model, VideoPrism) else 0
    vision = _vision(encoder, auxiliary)
    with torch.device("meta"):
        if isinstance(model, Student):
            return VideoPrismVisionModel(vision), model.encoder
        text = _text(config.model.text)
        return VideoPrismClipModel(VideoPrismConfig(text_config=text.to_dict(), vision_config=vision.to_dict())), model


def _vision(sizes: EncoderConfig, auxiliary: int) -> VideoPrismVisionConfig:
    return VideoPrismVisionConfig(
        image_size=sizes.image,
        num_frames=sizes.frames,
        tubelet_size=[1, sizes.patch, sizes.patch],
        hidden_size=sizes.width,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.hidden,
        num_spatial_layers=sizes.depth,
        num_temporal_layers=sizes.time_depth,
        num_auxiliary_layers=auxiliary,
        attn_logit_softcapping=float(sizes.cap),
    )


def _text(sizes: PrismTextConfig) -> VideoPrismTextConfig:
    return VideoPrismTextConfig(
        vocab_size=sizes.vocab,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.depth,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.hidden,
        max_position_embeddings=sizes.max_tokens,
        attn_logit_softcapping=float(sizes.cap),
    )
