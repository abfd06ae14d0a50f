"""VideoMAE (2203.12602): hide nine tenths of a clip's cubes, encode the rest, predict the pixels of the hidden ones.

Parts have the names of the released checkpoints. Reads top to bottom as figure 2 of the paper reads left to right.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from egocurate.models.layers.patches import (
    check_hidden,
    cubes,
    from_cubes,
    pick_tokens,
    sine_cosine,
    tube_mask,
    tube_tokens,
)
from egocurate.models.layers.transformer import LayerNorm, vit_blocks
from egocurate.models.videomae.config import VideoMAEConfig

IMAGENET_STD = (0.229, 0.224, 0.225)
"""What frames were divided by when they were normalized, red, green, blue."""


def draw_mask(config: VideoMAEConfig, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return indices of visible and of hidden cubes, [B, V] and [B, M], as many of each clip.

    Tube masks hide the same places at all times; random ones any cubes, frame masks all places of some times (figure 3
    of the paper). noise [B, config.mask_draws]: uniform random numbers.
    """
    visible, masked = tube_mask(noise, config.mask_hides)
    if config.mask == "tube":
        return tube_tokens(visible, config.slots, config.places), tube_tokens(masked, config.slots, config.places)
    if config.mask == "frame":
        places = torch.arange(config.places, device=noise.device)
        return tuple((times[..., None] * config.places + places).flatten(1) for times in (visible, masked))
    return visible, masked


class CubeEmbed(nn.Module):
    """A linear map of each cube to a token, kept as the weight of a convolution as the checkpoints have it."""

    def __init__(self, config: VideoMAEConfig) -> None:
        super().__init__()
        size = (config.tubelet, config.patch, config.patch)
        self.proj = nn.Conv3d(3, config.width, kernel_size=size, stride=size)

    def forward(self, frames: Tensor) -> Tensor:
        """Map all cubes of frames [B, T, 3, S, S] to tokens [B, N, D]."""
        # Contiguous, or every sum of the residual stream keeps the convolution's layout and every LayerNorm copies it.
        return self.proj(frames.transpose(1, 2)).flatten(2).transpose(1, 2).contiguous()

    def chosen(self, parts: Tensor) -> Tensor:
        """Map chosen cubes [B, V, pixels, 3] to tokens [B, V, D]: a tenth of the work where nine tenths are hidden."""
        weight = self.proj.weight.permute(0, 2, 3, 4, 1).flatten(1)
        return F.linear(parts.flatten(2), weight, self.proj.bias)


class Encoder(nn.Module):
    """A ViT over the visible cubes, with fixed positions and without [CLS]."""

    def __init__(self, config: VideoMAEConfig, *, last_norm: bool = True) -> None:
        """Build the encoder; ValueError for sizes that do not fit. Without its last LayerNorm another takes its place.

        So it is in fine-tuning, where the mean of the tokens is normalized instead of each.
        """
        super().__init__()
        _check_sizes(config)
        self.config = config
        self.patch_embed = CubeEmbed(config)
        self.register_buffer("pos", sine_cosine(config.slots * config.places, config.width), persistent=False)
        self.blocks = vit_blocks(config.depth, config.width, config.heads)
        self.norm = LayerNorm(config.width) if last_norm else nn.Identity()

    def forward(self, parts: Tensor, visible: Tensor) -> Tensor:
        """Map the cubes [B, N, pixels, 3] at visible [B, V] to tokens [B, V, D]."""
        x = self.patch_embed.chosen(pick_tokens(parts, visible)) + self.pos[0, visible]
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def see(self, frames: Tensor, *, mean: bool = False, scales: Tensor | None = None) -> Tensor:
        """Map normalized frames [B, T, 3, S, S] with nothing hidden to tokens [B, N, D], or to their mean [B, D].

        scales [B, depth, 2] multiply the blocks' branches. Raises ValueError for frames of another number or size.
        """
        _check(frames, self.config)
        x = self.patch_embed(frames) + self.pos
        for number, block in enumerate(self.blocks):
            last = block is self.blocks[-1]  # whose MLP is worked out for the mean alone
            x = block(x, mean=mean and last, scales=None if scales is None else scales[:, number])
        return self.norm(x)


class Decoder(nn.Module):
    """A few narrow blocks over all tokens, and a linear map of the hidden ones to pixels."""

    def __init__(self, config: VideoMAEConfig) -> None:
        super().__init__()
        self.blocks = vit_blocks(config.decoder_depth, config.decoder_width, config.decoder_heads)
        self.norm = LayerNorm(config.decoder_width)
        self.head = nn.Linear(config.decoder_width, config.cube)

    def forward(self, x: Tensor, hidden: int) -> Tensor:
        """Map tokens x [B, V + M, d], the M = hidden ones last, to the values of hidden cubes [B, M, pixels * 3]."""
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, -hidden:]))


class VideoMAE(nn.Module):
    """Masked autoencoder: its loss is the mean squared error on the normalized pixels of the hidden cubes."""

    def __init__(self, config: VideoMAEConfig) -> None:
        super().__init__()
        check_hidden(config.mask_hides, config.mask_draws)
        self.config = config
        self.encoder = Encoder(config)
        self.encoder_to_decoder = nn.Linear(config.width, config.decoder_width, bias=False)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, config.decoder_width))
        self.register_buffer("pos", sine_cosine(config.slots * config.places, config.decoder_width), persistent=False)
        self.decoder = Decoder(config)
        draw_linear(self)
        nn.init.trunc_normal_(self.mask_token, std=0.02, a=-0.02, b=0.02)

    def forward(self, frames: Tensor, visible: Tensor, masked: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and the prediction [B, M, cube] for normalized frames [B, T, 3, S, S] and a `draw_mask`.

        Raises ValueError for frames of another number or size than the config's.
        """
        _check(frames, self.config)
        parts = cubes(frames, self.config.tubelet, self.config.patch)
        prediction = self.predict(parts, visible, masked)
        target = pixel_target(pick_tokens(parts, masked))
        return F.mse_loss(prediction.to(target.dtype), target), prediction

    @torch.no_grad()
    def fill_in(self, frames: Tensor, visible: Tensor, masked: Tensor) -> tuple[Tensor, Tensor]:
        """Return normalized frames [B, T, 3, S, S] twice: hidden cubes in gray, and as they are predicted.

        A prediction is of each cube's pixels less their mean, divided by their deviation; both are taken from what is
        hidden, as figures of masked autoencoders do.
        """
        sizes = self.config
        parts = cubes(frames, sizes.tubelet, sizes.patch)
        guess = self.predict(parts, visible, masked).unflatten(2, (-1, 3))
        var, mean = torch.var_mean(pick_tokens(parts, masked), dim=2, correction=1, keepdim=True)
        index = masked[..., None, None].expand_as(guess)
        gray, filled = (parts.scatter(1, index, one) for one in (torch.zeros_like(guess), guess * var.sqrt() + mean))
        return tuple(from_cubes(one, sizes.tubelet, sizes.patch, sizes.image) for one in (gray, filled))

    def predict(self, parts: Tensor, visible: Tensor, masked: Tensor) -> Tensor:
        """Predict the cubes at masked [B, M] from those of [B, N, pixels, 3] at visible [B, V]: [B, M, cube]."""
        encoded = self.encoder_to_decoder(self.encoder(parts, visible))
        # Tokens are not put back in order: their positions tell the decoder where they stand.
        x = torch.cat([encoded + self.pos[0, visible], self.mask_token + self.pos[0, masked]], dim=1)
        return self.decoder(x, masked.shape[1])


def pixel_target(parts: Tensor) -> Tensor:
    """Normalize each color of each cube [B, M, pixels, 3] on its own: (x - mean) / (std + 1e-6), [B, M, pixels * 3].

    The published formula is on pixels in [0, 1]. Frames come divided by IMAGENET_STD; as mean and std scale with the
    pixels, dividing the 1e-6 too gives the same numbers, and no frame has to be turned back.
    """
    parts = parts.detach().to(torch.promote_types(parts.dtype, torch.float32))
    # Filled there: from a list the numbers would be copied, and the host wait for the device.
    eps = torch.stack([parts.new_full((), 1e-6 / deviation) for deviation in IMAGENET_STD])
    var, mean = torch.var_mean(parts, dim=2, correction=1, keepdim=True)
    return ((parts - mean) / (var.sqrt() + eps)).flatten(2)


def _check_sizes(config: VideoMAEConfig) -> None:
    if config.image % config.patch or config.frames % config.tubelet:
        raise ValueError(
            f"{config.frames} frames of {config.image} pixels do not divide into cubes of {config.tubelet} frames of "
            f"{config.patch}"
        )


def _check(frames: Tensor, config: VideoMAEConfig) -> None:
    expected = (config.frames, 3, config.image, config.image)
    if frames.shape[1:] != expected:
        raise ValueError(f"frames of shape {tuple(frames.shape[1:])}, but the config says {expected}")


def draw_linear(model: nn.Module) -> None:
    """Draw linear maps by Xavier's uniform rule with zero biases; the cube embedding stays as torch draws it."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
