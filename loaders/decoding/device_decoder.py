"""What decodes clips where the trainer is: a small protocol, for the host and for a GPU."""

from collections.abc import Sequence
from typing import Protocol

import torch

from egocurate.errors import InputError
from egocurate.loaders.decode_clip import as_tensor
from egocurate.shards.read.read_encoded import EncodedClip, decode_encoded
from egocurate.shards.video.decoder_protocol import DecodeError


class DeviceDecoder(Protocol):
    """Decodes several clips at once."""

    device: torch.device
    """where the frames then are"""

    def decode(self, clips: Sequence[EncodedClip]) -> list[torch.Tensor | str]:
        """Return of each clip its frames, uint8 [T, 3, H, W] on the device, or in a line why it does not decode."""
        ...


class HostDecoder:
    """The host's own decoders in the trainer's process: the same pixels as those of the workers."""

    device = torch.device("cpu")

    def __init__(self, decoder: str = "auto") -> None:
        """Decode mp4 clips by a decoder of `egocurate.shards.video.decode`."""
        self._decoder = decoder

    def decode(self, clips: Sequence[EncodedClip]) -> list[torch.Tensor | str]:
        """Return of each clip its frames, or in a line why it does not decode."""
        return [self._decode(clip) for clip in clips]

    def _decode(self, clip: EncodedClip) -> torch.Tensor | str:
        try:
            return as_tensor(decode_encoded(clip, self._decoder))
        except (DecodeError, InputError) as error:
            return str(error)
