"""What a run was given beside its settings: weights, tokenizer and questions, by what they hold, not where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import Any

from egocurate.errors import InputError
from egocurate.storage.atomic import write_json
from egocurate.storage.fingerprint import fingerprint, folder_fingerprint
from egocurate.storage.json_notes import read_texts
from egocurate.storage.paths import as_path
from egocurate.storage.redacted import redacted
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.run.checkpoint_folders import (
    DIGESTS_FILE,
    TOKENIZER,
    checkpoint_folder,
    newest_checkpoint,
)

INPUTS = "inputs.json"
SOURCES = ("start", "video_weights", "tokenizer", "model.text.pretrained")
SOURCES += ("objective.teacher", "objective.encoder", "objective.towers")
"""Settings that name weights or a tokenizer."""

_QUESTIONS = ("mcq_json", "mcq_shards", "swap_quiz", "test_shards", "annotations")
_OWN_TOKENIZER = "own_tokenizer"  # the copy of it that the run keeps


def source_fingerprint(where: str) -> str:
    """Return a digest of a file, a folder, or the newest checkpoint of a run's folder; a name of the hub as it is."""
    path = Path(where)
    path = newest_checkpoint(path) or path
    if path.is_dir():
        return folder_fingerprint(path)
    return fingerprint(path) if path.is_file() else redacted(where)


def weights_fingerprint(run: Path, step: int) -> str:
    """Return a digest of what a run had learned after a step, as long as its checkpoint is there."""
    return fingerprint(checkpoint_folder(run, step) / DIGESTS_FILE)  # which whoever loads them compares with the files


def note_inputs(config: TrainConfig) -> None:
    """Write what a run is given to its folder, unless it was noted when the run began."""
    path = Path(config.out) / INPUTS
    own = Path(config.out) / TOKENIZER
    if not path.exists():
        write_json(path, _inputs(config) | ({_OWN_TOKENIZER: folder_fingerprint(own)} if own.is_dir() else {}))


def check_sources(config: TrainConfig, settings: dict[str, Any]) -> set[str]:
    """Return the settings of `SOURCES` whose paths may differ from those in `settings`: they hold what they held.

    settings: those that the run began with, flat. Raises InputError for one that holds something else.
    """
    path, given = Path(config.out) / INPUTS, _given(config)
    if not path.exists():
        return set()
    noted = read_texts(path)
    for key in SOURCES:
        where = given.get(key)
        now = source_fingerprint(where) if where else None
        gone = where is not None and where == now == settings.get(key)  # nothing to compare: the checkpoint has it
        if not gone and noted.get(key) != now:
            raise InputError(
                f"{config.out} holds a run with other inputs: {key} changed, it is {where or 'not given'} now; "
                "give what the run began with, or name another folder"
            )
    return set(SOURCES)


def describe_changes(config: TrainConfig) -> Iterator[str]:
    """Yield what is to be said of a run that goes on: that its tests are others, or that nothing tells."""
    path = Path(config.out) / INPUTS
    noted, now = read_texts(path) if path.exists() else None, _inputs(config)
    if noted is None:
        if now:
            keys = ", ".join(now)
            yield f"an earlier version began this run and did not note what it was given: {keys} may hold other things"
    elif any(noted.get(key) not in (None, now[key]) for key in _QUESTIONS if key in now):
        yield "it is tested on other data than at first: figures from before do not compare with those to come"


def check_tokenizer(config: TrainConfig) -> None:
    """Raise InputError if a run's tokenizer holds something else than when the run began."""
    path = Path(config.out) / INPUTS
    noted = read_texts(path) if path.exists() else {}
    right = {noted[key] for key in ("tokenizer", _OWN_TOKENIZER) if key in noted}
    if right and config.tokenizer and source_fingerprint(config.tokenizer) not in right:
        raise InputError(
            f"{config.tokenizer}: holds another tokenizer than {config.out} was trained with; "
            "name the right one with --set tokenizer=FOLDER"
        )


def _inputs(config: TrainConfig) -> dict[str, str]:
    given = _given(config)
    found = {key: source_fingerprint(given[key]) for key in SOURCES if given.get(key)}
    if config.mcq_json:
        found["mcq_json"] = fingerprint(Path(config.mcq_json))
    if config.swap_quiz:
        found["swap_quiz"] = fingerprint(Path(config.swap_quiz))
    if config.mcq_shards:
        found["mcq_shards"] = fingerprint(as_path(config.mcq_shards) / "manifest.json")
    if config.test_shards:
        found["test_shards"] = fingerprint(as_path(config.test_shards) / "manifest.json")
    if config.annotations:
        found["annotations"] = source_fingerprint(config.annotations)
    return found


def _given(config: TrainConfig) -> dict[str, str]:
    """Return what the settings that name something say; a config of another system lacks some."""
    given = {}
    for key in SOURCES:
        with suppress(AttributeError):
            given[key] = attrgetter(key)(config)
    return {key: where for key, where in given.items() if where}
