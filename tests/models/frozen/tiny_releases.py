"""Tiny files of releases: tensors drawn at random under the names that the authors' code gives them."""

import torch
from torch import Tensor

WIDTH, WORDS, SPACE, PATCH, PLACES, FRAMES, PIECES, LONGEST = 128, 64, 24, 8, 16, 4, 90, 12


def drawn(shapes: dict[str, tuple[int, ...]], prefix: str = "") -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(7)
    state = {prefix + name: torch.randn(shape, generator=generator) * 0.1 for name, shape in shapes.items()}
    for name, value in state.items():
        if "norm" in name.lower() or ".ln_" in name:
            value += 1.0 if name.endswith("weight") else 0.0
    return state


def layer(stem: str, width: int, names: dict[str, str]) -> dict[str, tuple[int, ...]]:
    """Shapes of a block; names: what each part is called."""
    shapes = {"norm1": (width,), "norm2": (width,), "proj": (width, width), "up": (4 * width, width)}
    shapes |= {"down": (width, 4 * width)}
    found = {}
    for part, shape in shapes.items():
        found[f"{stem}.{names[part]}.weight"] = shape
        found[f"{stem}.{names[part]}.bias"] = shape[:1]
    weight, bias = names["qkv"]
    return found | {f"{stem}.{weight}": (3 * width, width), f"{stem}.{bias}": (3 * width,)}


OPENAI = {"norm1": "ln_1", "norm2": "ln_2", "proj": "attn.out_proj", "up": "mlp.c_fc", "down": "mlp.c_proj"}
OPENAI |= {"qkv": ("attn.in_proj_weight", "attn.in_proj_bias")}
FLASH = OPENAI | {"up": "mlp.fc1", "down": "mlp.fc2", "qkv": ("attn.Wqkv.weight", "attn.Wqkv.bias")}
TIMM = {"norm1": "norm1", "norm2": "norm2", "proj": "attn.proj", "up": "mlp.fc1", "down": "mlp.fc2"}
TIMM |= {"qkv": ("attn.qkv.weight", "attn.qkv.bias")}


def text_shapes(prefix: str = "") -> dict[str, tuple[int, ...]]:
    shapes = {f"{prefix}token_embedding.weight": (PIECES, WORDS), f"{prefix}positional_embedding": (LONGEST, WORDS)}
    shapes |= {f"{prefix}ln_final.weight": (WORDS,), f"{prefix}ln_final.bias": (WORDS,)}
    for index in range(2):
        shapes |= layer(f"{prefix}transformer.resblocks.{index}", WORDS, OPENAI)
    return shapes | {f"{prefix}text_projection": (WORDS, SPACE)}


def clip_visual_shapes(names: dict[str, object]) -> dict[str, tuple[int, ...]]:
    shapes = {"visual.class_embedding": (WIDTH,), "visual.positional_embedding": (1 + PLACES, WIDTH)}
    for norm in ("ln_pre", "ln_post"):
        shapes |= {f"visual.{norm}.weight": (WIDTH,), f"visual.{norm}.bias": (WIDTH,)}
    for index in range(2):
        shapes |= layer(f"visual.transformer.resblocks.{index}", WIDTH, names)
    return shapes


def openai_clip() -> dict[str, Tensor]:
    """CLIP as OpenAI and open_clip name it."""
    shapes = clip_visual_shapes(OPENAI) | text_shapes() | {"logit_scale": ()}
    return drawn(shapes | {"visual.conv1.weight": (WIDTH, 3, PATCH, PATCH), "visual.proj": (WIDTH, SPACE)})


def avion(*, flash: bool = True, fast_conv: bool = True) -> dict[str, Tensor]:
    shapes = clip_visual_shapes(FLASH if flash else OPENAI) | text_shapes("textual.") | {"logit_scale": ()}
    weight = (WIDTH, 3 * PATCH**2) if fast_conv else (WIDTH, 3, PATCH, PATCH)
    shapes |= {"visual.conv1.weight": weight, "visual.temporal_embedding": (FRAMES, WIDTH)}
    return drawn(shapes | {"visual.image_projection": (WIDTH, SPACE)}, "module.")


def lavila_distilbert() -> dict[str, Tensor]:
    """LaViLa's video tower with DistilBERT as transformers names it."""
    state = {name: value for name, value in lavila().items() if name.startswith(("module.visual.", "module.image_"))}
    shapes = {
        "embeddings.word_embeddings.weight": (PIECES, WORDS),
        "embeddings.position_embeddings.weight": (20, WORDS),
    }
    shapes |= {"embeddings.LayerNorm.weight": (WORDS,), "embeddings.LayerNorm.bias": (WORDS,)}
    for index in range(2):
        parts = dict.fromkeys(("attention.q_lin", "attention.k_lin", "attention.v_lin"), (WORDS, WORDS))
        parts |= {"attention.out_lin": (WORDS, WORDS), "ffn.lin1": (4 * WORDS, WORDS), "ffn.lin2": (WORDS, 4 * WORDS)}
        parts |= dict.fromkeys(("sa_layer_norm", "output_layer_norm"), (WORDS,))
        for part, shape in parts.items():
            shapes[f"transformer.layer.{index}.{part}.weight"] = shape
            shapes[f"transformer.layer.{index}.{part}.bias"] = shape[:1]
    return state | drawn(shapes, "module.textual.") | drawn({"text_projection": (WORDS, SPACE)}, "module.")


def lavila(*, gated: bool = False) -> dict[str, Tensor]:
    shapes = {"visual.cls_token": (1, 1, WIDTH), "visual.pos_embed": (1, 1 + PLACES, WIDTH)}
    shapes |= {"visual.temporal_embed": (1, FRAMES, WIDTH), "visual.patch_embed.proj.weight": (WIDTH, 3, PATCH, PATCH)}
    for norm in ("ln_pre", "norm"):
        shapes |= {f"visual.{norm}.weight": (WIDTH,), f"visual.{norm}.bias": (WIDTH,)}
    for index in range(2):
        stem = f"visual.blocks.{index}"
        shapes |= layer(stem, WIDTH, TIMM)
        shapes |= {f"{stem}.norm3.weight": (WIDTH,), f"{stem}.norm3.bias": (WIDTH,)}
        shapes |= {f"{stem}.timeattn.qkv.weight": (3 * WIDTH, WIDTH), f"{stem}.timeattn.qkv.bias": (3 * WIDTH,)}
        shapes |= {f"{stem}.timeattn.proj.weight": (WIDTH, WIDTH), f"{stem}.timeattn.proj.bias": (WIDTH,)}
        if gated:
            shapes[f"{stem}.alpha_timeattn"] = ()
    shapes |= text_shapes() | {"image_projection": (WIDTH, SPACE), "logit_scale": ()}
    return drawn(shapes, "module.")
