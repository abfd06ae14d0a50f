"""How clips are stored: size, frame rate, and as one video or as single pictures; by name."""

from dataclasses import asdict, dataclass
from fractions import Fraction

from egocurate.errors import InputError


@dataclass(frozen=True)
class H264:
    """One mp4 per clip, by x264: a keyframe every `gop` frames, `b_frames` at most between others."""

    gop: int
    crf: float
    preset: str = "veryfast"
    tune: str = "fastdecode"
    b_frames: int = 0

    @property
    def members(self) -> str:
        """What the members of a sample are."""
        return "mp4"


@dataclass(frozen=True)
class Pictures:
    """One picture per frame: `members` is jpg or webp, `quality` that of its encoder, 1 to 100."""

    members: str
    quality: int


@dataclass(frozen=True)
class Profile:
    """Settings of what is stored: `short_side` in pixels and `fps` in frames per second (None: as the source)."""

    name: str
    short_side: int | None
    fps: int | None
    codec: H264 | Pictures
    help: str = ""
    """what it is for, in a line"""

    def stored_rate(self, source_rate: Fraction) -> Fraction:
        """Return the rate at which clips of a source are stored: never above the source's own."""
        return source_rate if self.fps is None else min(Fraction(self.fps), source_rate)

    def settings(self) -> dict[str, str | int | float | None]:
        """Return every setting as plain values, for manifests and fingerprints."""
        own = {"name": self.name, "short_side": self.short_side, "fps": self.fps, "members": self.codec.members}
        return own | asdict(self.codec)


# Measured by benchmarks/profiles.py on first-person footage (docs/profiles.md): clips decoded to 4 frames of 224 pixels
# per second and core, against a 15 s chunk with a group of 250 and a 30 fps clip of x264's defaults of equal quality.
PROFILES = {
    # As near to the source as 256 pixels of crf 25.6, in whole frames and in random crops of half and more of them, at
    # 1.03 of their bytes and a tenth faster: fewer macroblocks, each better (docs/profiles.md).
    "train": Profile(
        "train",
        short_side=224,
        fps=8,
        codec=H264(gop=2, crf=23.3),
        help="mp4 that decodes fast, 224 pixels, 8 frames per second",
    ),
    # 45 times the chunk, at 1.6 of the clip's bytes, of which a reader fetches only the pictures that it draws.
    "fast": Profile(
        "fast",
        short_side=224,
        fps=8,
        codec=Pictures("jpg", quality=74),
        help="a JPEG for each frame, 224 pixels: the fastest, with the most bytes",
    ),
    # 0.64 of the clip's bytes and 5 times the chunk: deblocking and CABAC cost half the speed of `train`.
    "small": Profile(
        "small",
        short_side=256,
        fps=8,
        codec=H264(32, crf=24.4, preset="medium", tune="", b_frames=3),
        help="mp4 with two thirds of the bytes of train, half as fast",
    ),
    # For models of 288 pixels (VideoPrism): 0.82 of the bytes of the clip, 8 times the chunk, 2.6 times the clip.
    "large": Profile(
        "large",
        short_side=288,
        fps=8,
        codec=H264(gop=4, crf=26.3),
        help="mp4 that decodes fast, 288 pixels, 8 frames per second, for VideoPrism",
    ),
    # Every frame at its own size, better than the clip; at 256 pixels 1.7 times as fast for 2.1 of its bytes.
    "native": Profile(
        "native",
        short_side=None,
        fps=None,
        codec=H264(gop=15, crf=20),
        help="mp4 with every frame of the source at its own size",
    ),
}


def profile(name: str) -> Profile:
    """Return the profile called `name`; raises InputError for a name that is not there."""
    if name not in PROFILES:
        raise InputError(f"profile {name!r} is not known: choose one of {', '.join(PROFILES)}")
    return PROFILES[name]
