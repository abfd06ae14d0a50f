"""Settings of a stream by the name of what is trained."""

from dataclasses import fields, replace

from egocurate.errors import InputError
from egocurate.loaders.config import StreamConfig

# Frames, sizes and negatives as published (arXiv 2206.01670 §6.1, 2307.05463 App. D, 2203.12602 §7, 2402.13217 App. B).
# VideoMAE's stride of 4 source frames at 30 per second is a stride of 1 at the 8 per second that shards store.
# VideoMAE crops at several scales of the short side, VideoPrism does not say: both get EgoVLP's range here.
PRESETS: dict[str, StreamConfig] = {
    "egovlp": StreamConfig(frames=4, size=224, pick="segments-random", negatives=True),
    "egovlpv2": StreamConfig(frames=4, size=224, pick="segments-random", negatives=True),
    "videomae": StreamConfig(frames=16, size=224, pick="stride-1", negatives=False, flip=False),
    "videoprism-stage1": StreamConfig(frames=16, size=288, pick="segments-random", negatives=False, flip=False),
    "videoprism-stage2": StreamConfig(frames=16, size=288, pick="segments-random", negatives=False, flip=False),
    "videoprism-lit": StreamConfig(frames=16, size=288, pick="segments-random", negatives=False, flip=False),
}


def with_settings(config: StreamConfig | str, settings: dict[str, object]) -> StreamConfig:
    """Return a config, or that of a preset's name, with some settings changed; InputError for an unknown name."""
    if isinstance(config, str):
        if config not in PRESETS:
            raise InputError(f"no preset is called {config!r}: take one of {', '.join(PRESETS)}")
        config = PRESETS[config]
    known = [field.name for field in fields(StreamConfig)]
    for name in settings:
        if name not in known:
            raise InputError(f"a stream has no setting {name!r}: there are {', '.join(known)}")
    return replace(config, **settings)
