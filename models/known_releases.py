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
    """whose settings they are used with, and may be given as `recipe`"""
    notes: str


_EGOVLP = "github.com/showlab/EgoVLP"
_EGOVLPV2 = "github.com/facebookresearch/EgoVLPv2"
_VIDEOMAE = "github.com/MCG-NJU/VideoMAE"
_VIDEOPRISM = "github.com/google-deepmind/videoprism"

_RELEASES = (
    KnownRelease(
        "EgoVLP",
        "egovlp",
        "a .pth with state_dict",
        _EGOVLP,
        None,
        "egovlp",
        "ViT-B/16 and DistilBERT; temporal embedding of up to 16 frames, of which 4 are trained; "
        "tokenizer distilbert-base-uncased",
    ),
    KnownRelease(
        "EgoVLPv2",
        "egovlpv2",
        "a .pth with state_dict",
        _EGOVLPV2,
        None,
        "egovlpv2",
        "ViT-B/16 and RoBERTa-base, six fused layers, projections of 4096; tokenizer roberta-base; files with the "
        "small projections of EK-100 and Charades-Ego are refused",
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
)


def releases() -> tuple[KnownRelease, ...]:
    """Return the releases of weights that `load_model`, `curate eval` and `curate features` take, in docs' order."""
    return _RELEASES
