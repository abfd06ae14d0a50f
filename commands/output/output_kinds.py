"""What kind of output a folder holds, by the file that each kind has: two kinds do not share a folder."""

from __future__ import annotations

import json
from typing import NamedTuple

from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath, file_sizes, read_bytes


class _Kind(NamedTuple):
    """The verb that writes a file, what the file is a sign of, and a key that it has, as others use its name, too."""

    verb: str
    what: str
    key: str = ""


# Every folder of shards has a manifest, whichever verb cut it.
_KINDS = (
    ("egoclip.run.json", _Kind("egoclip", "a run of `curate egoclip`")),
    ("egomcq.run.json", _Kind("egomcq", "a run of `curate egomcq`")),
    ("captions.run.json", _Kind("captions", "a run of `curate captions`")),
    ("shards.run.json", _Kind("shards", "a run of `curate shards`")),
    ("segments.run.json", _Kind("segments", "a run of `curate segments`")),
    ("export.run.json", _Kind("export", "a run of `curate export`")),
    ("lexicon.run.json", _Kind("lexicon", "a lexicon of `curate lexicon`")),
    ("ego4d.json", _Kind("", "Ego4D's annotations")),
    ("recipe.json", _Kind("train", "a training run", "objective")),
    ("features.json", _Kind("features", "features", "rate")),
    ("localization.json", _Kind("nlq", "a run of `curate nlq`, `curate mq` or `curate qfvs`", "task")),
    ("egocurate.json", _Kind("export-model", "a model given away", "form")),
    ("stretches.json", _Kind("features", "features of stretches", "stretches")),
    ("texts.json", _Kind("features", "features of texts", "texts")),
    ("search.json", _Kind("search", "an index of `curate search`", "window_sec")),
    ("manifest.json", _Kind("adopt", "an index of tars of others", "adopted")),
    ("manifest.json", _Kind("shards", "shards", "planned")),
)
_TOGETHER = ({"egoclip", "egomcq"}, {"shards", "segments"}, {"nlq", "mq", "qfvs"})


def refuse_other_kind(folder: AnyPath, verb: str) -> None:
    """Raise InputError if a folder holds what another verb writes; EgoClip and EgoMCQ share one.

    Files of other origin are no reason.
    """
    own = next((verbs for verbs in _TOGETHER if verb in verbs), {verb})
    for name in sorted(file_sizes(folder).keys() & {name for name, _ in _KINDS}):
        kinds = (kind for file, kind in _KINDS if file == name and _has(folder / name, kind.key))
        kind = next(kinds, None)
        if kind is not None and kind.verb not in own:
            raise InputError(f"{folder} holds {kind.what} ({name}): name another --out")


def _has(path: AnyPath, key: str) -> bool:
    """Tell whether a JSON file is an object with a key; every file has the key ""."""
    try:
        content = json.loads(read_bytes(path)) if key else {"": None}
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and key in content
