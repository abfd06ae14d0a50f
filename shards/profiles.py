"""How clips are stored: size, frame rate and encoder settings, by name."""

from dataclasses import asdict, dataclass
from fractions import Fraction

from shards.errors import InputError


@dataclass(frozen=True)
class Profile:
    """Settings of the stored video: `short_side` in pixels and `fps` in frames per second (None: as the source)."""

    name: str
    short_side: int | None
    fps: int | None
    gop: int
    crf: int
    preset: str
    tune: str

    def stored_rate(self, source_rate: Fraction) -> Fraction:
        """Return the rate at which clips of a source are stored: never above the source's own."""
        return source_rate if self.fps is None else min(Fraction(self.fps), source_rate)

    def settings(self) -> dict[str, str | int | None]:
        """Return every setting as plain values, for manifests and fingerprints."""
        return asdict(self)


PROFILES = {
    # Four frames of a clip are drawn from about ten: a low rate and a short group of pictures keep decoding small.
    "train": Profile("train", short_side=256, fps=8, gop=4, crf=23, preset="veryfast", tune="fastdecode"),
    "native": Profile("native", short_side=None, fps=None, gop=15, crf=20, preset="veryfast", tune="fastdecode"),
}


def profile(name: str) -> Profile:
    """Return the profile called `name`; raises InputError for a name that is not there."""
    if name not in PROFILES:
        raise InputError(f"profile {name!r} is not known: choose one of {', '.join(PROFILES)}")
    return PROFILES[name]
