"""What kind of output a folder holds, by the file that each kind has: two kinds do not share a folder."""

from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath, file_sizes

# File -> the verb that writes it, and what it is a sign of. Every folder of shards has a manifest, whoever cut it.
_KINDS = {
    "egoclip.run.json": ("egoclip", "a run of `curate egoclip`"),
    "egomcq.run.json": ("egomcq", "a run of `curate egomcq`"),
    "shards.run.json": ("shards", "a run of `curate shards`"),
    "segments.run.json": ("segments", "a run of `curate segments`"),
    "export.run.json": ("export", "a run of `curate export`"),
    "recipe.json": ("train", "a training run"),
    "features.json": ("features", "features"),
    "manifest.json": ("shards", "shards"),
    "ego4d.json": ("ego4d", "Ego4D's annotations"),
}
_TOGETHER = ({"egoclip", "egomcq"}, {"shards", "segments"})


def refuse_other_kind(folder: AnyPath, own: str) -> None:
    """Raise InputError if a folder holds what another verb than `own` writes; EgoClip and EgoMCQ share one.

    Files of other origin are no reason.
    """
    allowed = next((kinds for kinds in _TOGETHER if own in kinds), {own})
    for name in sorted(file_sizes(folder).keys() & _KINDS.keys()):
        kind, what = _KINDS[name]
        if kind not in allowed:
            raise InputError(f"{folder} holds {what} ({name}): name another --out")
