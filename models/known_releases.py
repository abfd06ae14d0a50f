"""The releases of weights that are known here; what is not known of one is not said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownRelease:
    """Weights that their authors publish, and what uses them here."""

    name: str
    system: str
    """what is recognized in their tensors' names"""
    file: str
    """what to give: a file of this kind, or the name on the hub"""
    published: str
    """where their authors publish them"""
    sha256: str | None
    """of the file, None where it is not known"""
    recipe: str
    """whose settings they are used with, and may be given as `recipe`; "" for an encoder that is used as it is"""
    notes: str


_EGOVLP = "github.com/showlab/EgoVLP"
_FROZEN_IN_TIME = "github.com/m-bain/frozen-in-time"
_EGOVLPV2 = "github.com/facebookresearch/EgoVLPv2"
_VIDEOMAE = "github.com/MCG-NJU/VideoMAE"
_VIDEOPRISM = "github.com/google-deepmind/videoprism"
_LAVILA = "github.com/facebookresearch/LaViLa"
_AVION = "github.com/zhaoyue-zephyrus/AVION"
_CLIP = "github.com/openai/CLIP"
_HUB = "the hub"
_BPE = "tokenizer openai/clip-vit-base-patch16"

_RELEASES = (
    KnownRelease(
        "EgoVLP",
        "egovlp",
        "a .pth with state_dict",
        _EGOVLP,
        None,
        "egovlp",
        "ViT-B/16 and DistilBERT; temporal embedding of up to 16 frames, of which 4 are trained; "
        "tokenizer distilbert-base-uncased; files tuned to EK-100 or Charades-Ego have the same names",
    ),
    KnownRelease(
        "Frozen in Time",
        "egovlp",
        "a .pth.tar with state_dict",
        _FROZEN_IN_TIME,
        None,
        "egovlp",
        "what EgoVLP started from, in the same names; ViT-B/16 on 4 frames and DistilBERT; "
        "tokenizer distilbert-base-uncased",
    ),
    KnownRelease(
        "EgoVLPv2",
        "egovlpv2",
        "a .pth with state_dict",
        _EGOVLPV2,
        None,
        "egovlpv2",
        "ViT-B/16 and RoBERTa-base, six fused layers, projections of 4096; tokenizer roberta-base; in files for EK-100 "
        "and Charades-Ego linear ones of 256, and where the heads are left out, no fused answers",
    ),
    KnownRelease(
        "VideoMAE, pre-training",
        "videomae",
        "a .pth with model",
        _VIDEOMAE,
        None,
        "videomae",
        "ViT-S, B, L or H on 16 frames, with the decoder; no texts; CC-BY-NC 4.0",
    ),
    KnownRelease(
        "VideoMAE-B, pre-training, in transformers' names",
        "videomae",
        "MCG-NJU/videomae-base",
        "the hub",
        None,
        "videomae",
        "16 frames; no texts",
    ),
    KnownRelease(
        "VideoPrism LvT-B and L",
        "videoprism",
        "an .npz",
        _VIDEOPRISM,
        None,
        "videoprism-stage1",
        "video and text; B reads 16 frames, L 8; tokenizer gs://t5-data/vocabs/cc_en.32000/sentencepiece.model",
    ),
    KnownRelease(
        "VideoPrism LvT-B, in transformers' names",
        "videoprism",
        "google/videoprism-lvt-base-f16r288",
        "the hub",
        None,
        "videoprism-stage1",
        "video and text, 16 frames; the hub's name is its tokenizer's, too",
    ),
    KnownRelease(
        "VideoPrism B and L",
        "videoprism-encoder",
        "an .npz, or transformers' .safetensors",
        _VIDEOPRISM,
        None,
        "videoprism-stage2",
        "the encoder alone: features, no texts; B reads 16 frames, L 8",
    ),
    KnownRelease(
        "VideoMAE, fine-tuned",
        "videomae-classifier",
        "a .pth with module or model, or a folder of transformers' VideoMAEForVideoClassification",
        _VIDEOMAE,
        None,
        "",
        "ViT-S, B, L or H on 16 frames; features after fc_norm, `system.logits` of its classes; no texts; CC-BY-NC 4.0",
    ),
    KnownRelease(
        "LaViLa, dual encoder",
        "lavila",
        "a .pth with state_dict",
        _LAVILA,
        None,
        "",
        f"TimeSformer-B or L begun from CLIP, and CLIP's text tower; temporal embedding of 4 or 16 frames, "
        f"stretched to more; {_BPE}",
    ),
    KnownRelease(
        "LaViLa, dual encoder with DistilBERT",
        "lavila-distilbert",
        "a .pth with state_dict",
        _LAVILA,
        None,
        "",
        "TimeSformer-L begun from CLIP on 336 pixels, or B or L on 224, and DistilBERT; texts of up to 77 tokens; "
        "tokenizer distilbert-base-uncased; its copy of EgoVLP is read as EgoVLP's",
    ),
    KnownRelease(
        "AVION, dual encoder",
        "avion",
        "a .pt with state_dict",
        _AVION,
        None,
        "",
        f"ViT-B/16 or L/14 over all tokens of all frames, and CLIP's text tower, with or without flash attention's "
        f"names; temporal embedding stretched to more frames; {_BPE}",
    ),
    KnownRelease(
        "CLIP, in OpenAI's names",
        "openai-clip",
        "a file with its state_dict",
        _CLIP,
        None,
        "",
        f"ViT of any size, frame by frame, with QuickGELU; the archive of TorchScript is refused: save its state_dict; "
        f"{_BPE}",
    ),
    KnownRelease(
        "CLIP, in transformers' names",
        "clip",
        "a folder, or openai/clip-vit-base-patch16",
        _HUB,
        None,
        "",
        "frame by frame; with texts, or the image tower alone (clip_vision_model)",
    ),
    KnownRelease(
        "SigLIP, and SigLIP 2 of fixed size",
        "siglip",
        "a folder, or google/siglip-base-patch16-224",
        _HUB,
        None,
        "",
        "frame by frame; with texts, padded to the longest as it has learned, or the image tower alone "
        "(siglip_vision_model)",
    ),
    KnownRelease(
        "SigLIP 2 of any aspect",
        "siglip2",
        "a folder, or google/siglip2-base-patch16-naflex",
        _HUB,
        None,
        "",
        "frame by frame, square; with texts, padded to the longest as it has learned, or the image tower alone "
        "(siglip2_vision_model)",
    ),
    KnownRelease(
        "V-JEPA 2",
        "vjepa2",
        "a folder, or facebook/vjepa2-vitl-fpc64-256",
        _HUB,
        None,
        "",
        "frames two by two, by default 64; the mean of its tokens; no texts",
    ),
    KnownRelease(
        "DINOv2",
        "dinov2",
        "a folder, or facebook/dinov2-base",
        _HUB,
        None,
        "",
        "frame by frame, [CLS]; with registers too (dinov2_with_registers); no texts",
    ),
    KnownRelease(
        "DINOv3, ViT",
        "dinov3_vit",
        "a folder, or facebook/dinov3-vitb16-pretrain-lvd1689m",
        _HUB,
        None,
        "",
        "frame by frame, [CLS]; no texts",
    ),
    KnownRelease(
        "Perception Encoder, video",
        "pe_video",
        "a folder",
        _HUB,
        None,
        "",
        "by default 16 frames; with texts; needs timm (`pip install 'egocurate[timm]'`)",
    ),
    KnownRelease(
        "Perception Encoder, audio and video",
        "pe_audio_video",
        "a folder, or facebook/pe-av-large",
        _HUB,
        None,
        "",
        "its video and text part, as pe_video; what is of sound stays unread; needs timm",
    ),
)


def releases() -> tuple[KnownRelease, ...]:
    """Return the releases of weights that `load_model`, `curate eval` and `curate features` take, in docs' order."""
    return _RELEASES
