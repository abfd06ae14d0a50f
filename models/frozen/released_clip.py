"""Dual encoders of CLIP's make in the names of their authors: OpenAI's CLIP, LaViLa (2212.04501), AVION (2309.16669).

All have CLIP's text tower, but for some of LaViLa, which have DistilBERT. CLIP sees images, here a clip frame by frame;
LaViLa's video tower is Frozen in Time's with CLIP's LayerNorm before the first block and QuickGELU; AVION's is CLIP's
over all tokens of all frames, with GELU. Sizes are read from the tensors' shapes; heads are 64 channels wide, as all of
theirs are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from egocurate.models.frozen.encoder import CLIP_PIXELS, Encoder, Pixels, Sizes
from egocurate.models.layers.clip_text import ClipText, ClipTextConfig
from egocurate.models.layers.configs import TextConfig, VideoConfig
from egocurate.models.layers.distilbert import TextTower
from egocurate.models.layers.image_weights import clip_names
from egocurate.models.layers.video_tower import VideoTower, quick_gelu
from egocurate.models.released_names import count_layers
from egocurate.models.weights import replace_patterns

HEAD = 64
_LAVILA = ("lavila", "lavila-distilbert")
_LAVILA_TEXT = 77
"""tokens of a text that LaViLa's DistilBERT is shown, of the 512 that it has places for"""
# LaViLa and AVION normalize CLIP's towers by these numbers of levels, which are not quite CLIP's.
_LAVILA_PIXELS = Pixels(1.0, (108.3272985, 116.7460125, 104.09373615), (68.5005327, 66.6321579, 70.32316305))
_TEXT_NAMES = (
    (r"^textual\.", ""),
    (r"^transformer\.resblocks\.", "text.transformer.layers."),
    (r"^(token_embedding|positional_embedding|ln_final)\b", r"text.\1"),
    (r"^(text\..*)\.attn\.", r"\1.self_attn."),
    (r"^(text\..*)\.ln_([12])\.", r"\1.norm\2."),
    (r"^(text\..*)\.mlp\.c_fc\.", r"\1.linear1."),
    (r"^(text\..*)\.mlp\.c_proj\.", r"\1.linear2."),
)
_DISTILBERT_NAMES = ((r"^textual\.", "text.model."),)
_FLASH_NAMES = (
    (r"\.attn\.Wqkv\.", ".attn.in_proj_"),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
)
_PROJECTIONS = {
    "image_projection": "image_projection",  # LaViLa's
    "visual.image_projection": "image_projection",  # AVION's
    "visual.proj": "image_projection",  # CLIP's
    "text_projection": "text_projection",
    "textual.text_projection": "text_projection",
}


class ReleasedClip(Encoder):
    """A video or image tower and a text tower, each with a linear map into the space that they share."""

    def __init__(self, kind: str, shapes: Mapping[str, Sequence[int]], frames: int) -> None:
        """Build the towers of a kind in the sizes of its tensors; KeyError or ValueError for shapes that are none."""
        super().__init__()
        video, text, self.sizes = read_sizes(kind, shapes)
        self.frame_by_frame = kind == "openai-clip"
        if not self.frame_by_frame:
            video = replace(video, max_frames=max(video.max_frames, frames))
        activation = F.gelu if kind == "avion" else quick_gelu
        self.video = VideoTower(video)
        self.text = TextTower(text) if isinstance(text, TextConfig) else ClipText(text, activation)
        if kind in _LAVILA:
            self.video.norm_pre.eps = 1e-5
        for block in self.video.blocks:
            block.mlp.activation = activation
        self.image_projection = nn.Parameter(torch.zeros(video.width, self.sizes.embedding))
        self.text_projection = nn.Parameter(torch.zeros(text.width, self.sizes.embedding))
        self.look_through(CLIP_PIXELS if kind == "openai-clip" else _LAVILA_PIXELS)

    def embed(self, clips: Tensor) -> Tensor:
        """Embed normalized clips [B, T, 3, S, S] as [B, E]; CLIP's is the mean of its frames'."""
        if not self.frame_by_frame:
            return self.video(clips) @ self.image_projection
        images = self.video(clips.flatten(0, 1)[:, None]) @ self.image_projection
        return images.unflatten(0, clips.shape[:2]).mean(1)

    def encode_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed token ids [B, L] as [B, E]; DistilBERT alone asks for the mask [B, L]."""
        words = self.text(ids, mask) if isinstance(self.text, TextTower) else self.text(ids)
        return words @ self.text_projection

    def encode_tokens(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the text tower's last hidden states [B, L, D] of token ids [B, L] with their mask [B, L]."""
        return self.text.states(ids, mask) if isinstance(self.text, TextTower) else self.text.states(ids)


def clip_state(kind: str, state: dict[str, Tensor], frames: int) -> dict[str, Tensor]:
    """Return the tensors of a release under the names and in the shapes that `ReleasedClip` has for so many frames.

    Fewer frames than it has learned have the first of its temporal embeddings. For more these are stretched, linearly
    between each two, as LaViLa's and AVION's code does.
    """
    names = _DISTILBERT_NAMES if kind == "lavila-distilbert" else _TEXT_NAMES
    words = {replace_patterns(name, names): value for name, value in state.items()}
    words = {name: value for name, value in words.items() if name.startswith("text.")}
    maps = {_PROJECTIONS[name]: value for name, value in state.items() if name in _PROJECTIONS}
    seen = {name: value for name, value in state.items() if name.startswith("visual.")}
    tower = _lavila_tower(seen) if kind in _LAVILA else _clip_tower(seen)
    if kind != "openai-clip" and frames > tower["temporal_embed"].shape[1]:
        time = tower["temporal_embed"].transpose(1, 2)
        tower["temporal_embed"] = F.interpolate(time, frames, mode="linear").transpose(1, 2)
    return words | maps | {f"video.{name}": value for name, value in tower.items()}


def _lavila_tower(state: dict[str, Tensor]) -> dict[str, Tensor]:
    tower = {name.removeprefix("visual.").replace("ln_pre.", "norm_pre."): value for name, value in state.items()}
    weight = tower["patch_embed.proj.weight"]
    tower.setdefault("patch_embed.proj.bias", weight.new_zeros(len(weight)))
    for name in [name for name in tower if name.endswith(".alpha_timeattn")]:
        # Some have a gate on time attention; it is put into the linear map before it.
        gate, proj = torch.tanh(tower.pop(name)), name.removesuffix("alpha_timeattn") + "timeattn.proj."
        tower |= {proj + part: gate * tower[proj + part] for part in ("weight", "bias") if proj + part in tower}
    return tower


def _clip_tower(state: dict[str, Tensor]) -> dict[str, Tensor]:
    named = {replace_patterns(name, _FLASH_NAMES): value for name, value in state.items()}
    weight, time = named["visual.conv1.weight"], named.pop("visual.temporal_embedding", None)
    named["visual.conv1.weight"] = weight.reshape(len(weight), 3, *_patch(weight.shape))
    tower = clip_names(named)
    width = len(weight)
    return tower | {"temporal_embed": weight.new_zeros(1, 1, width) if time is None else time[None]}


def read_sizes(
    kind: str, shapes: Mapping[str, Sequence[int]]
) -> tuple[VideoConfig, ClipTextConfig | TextConfig, Sizes]:
    """Return the sizes of both towers, and what they take and give; KeyError or ValueError for shapes that are none."""
    if kind in _LAVILA:
        weight, places, layers = shapes["visual.patch_embed.proj.weight"], shapes["visual.pos_embed"][1], "blocks"
        frames = shapes["visual.temporal_embed"][1]
    else:
        weight, layers = shapes["visual.conv1.weight"], "transformer.resblocks"
        places = shapes["visual.positional_embedding"][0]
        frames = shapes.get("visual.temporal_embedding", (1,))[0]
    patch, width = _patch(weight)[0], weight[0]
    image = round((places - 1) ** 0.5) * patch
    video = VideoConfig(
        image=image,
        patch=patch,
        max_frames=frames,
        width=width,
        depth=count_layers(rf"visual\.{re.escape(layers)}", shapes),
        heads=max(1, width // HEAD),
        attention="divided" if kind in _LAVILA else "joint",
        eps=1e-5 if kind == "openai-clip" else 1e-6,
        style="clip",
    )
    text = _distilbert_sizes(shapes) if kind == "lavila-distilbert" else _clip_text_sizes(kind, shapes)
    embedding = shapes["textual.text_projection" if kind == "avion" else "text_projection"][1]
    longest = min(text.max_tokens, _LAVILA_TEXT) if isinstance(text, TextConfig) else text.max_tokens
    own = Sizes(image, patch, width, embedding, text_tokens=longest, text_pieces=text.vocab, any_size=False)
    return video, text, own if kind == "openai-clip" else replace(own, frames=frames)


def _clip_text_sizes(kind: str, shapes: Mapping[str, Sequence[int]]) -> ClipTextConfig:
    part = "textual." if kind == "avion" else ""
    vocab, width = shapes[f"{part}token_embedding.weight"]
    return ClipTextConfig(
        vocab=vocab,
        width=width,
        depth=count_layers(rf"{re.escape(part)}transformer\.resblocks", shapes),
        heads=max(1, width // HEAD),
        max_tokens=shapes[f"{part}positional_embedding"][0],
    )


def _distilbert_sizes(shapes: Mapping[str, Sequence[int]]) -> TextConfig:
    vocab, width = shapes["textual.embeddings.word_embeddings.weight"]
    return TextConfig(
        vocab=vocab,
        width=width,
        depth=count_layers(r"textual\.transformer\.layer", shapes),
        heads=max(1, width // HEAD),
        max_tokens=shapes["textual.embeddings.position_embeddings.weight"][0],
    )


def _patch(weight: Sequence[int]) -> tuple[int, int]:
    """Return a patch's sides from the shape of its linear map, [D, 3, p, p] or, as AVION's may be, [D, 3 p p]."""
    side = weight[-1] if len(weight) == 4 else round((weight[1] / 3) ** 0.5)
    return side, side
