"""How many layers lie above each parameter of a classifier: what lower learning rates of lower layers count by."""

from __future__ import annotations

from typing import Any


def layers_above(name: str, sizes: Any) -> int:  # noqa: ANN401 (a backbone's sizes)
    """Return how many layers lie between a parameter and the scores: 0 for the head, depth + 1 for the embeddings.

    sizes: those of the backbone, with `depth` and perhaps `time_depth` blocks. The last LayerNorm goes with the head,
    VideoPrism's LayerNorm and positions between space and time with the block before them. VideoMAE's released code
    counts so (2203.12602, section 7: layer-wise decay).
    """
    if not name.startswith("backbone."):
        return 0
    part, _, rest = name.removeprefix("backbone.").partition(".")
    over_time = getattr(sizes, "time_depth", 0)
    depth = sizes.depth + over_time
    if part in ("norm", "time_norm"):
        return 0
    if part in ("space_norm", "temporal_embed") and over_time:
        return over_time + 1
    if part in ("blocks", "space"):
        return depth - int(rest.partition(".")[0])
    if part == "time":
        return over_time - int(rest.partition(".")[0])
    return depth + 1
