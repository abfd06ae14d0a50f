"""Count what cutting costs: the fewer frames are decoded for each one stored, the better."""

from dataclasses import dataclass


@dataclass
class CutStats:
    """Packets given to the decoder, frames it made of them, frames stored in some clip, jumps to a later keyframe."""

    packets: int = 0
    decoded: int = 0
    used: int = 0
    jumps: int = 0
