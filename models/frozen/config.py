"""Which frozen encoder; to read it torch is not needed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FrozenConfig:
    """An encoder that others have trained, used as it is."""

    source: str
    """a folder with config.json and model.safetensors, or a file of a release"""
    kind: str
    """the config's model_type (`models.frozen.kinds.KINDS`), or whose release it is"""
