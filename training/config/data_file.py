"""A file that says what a run learns from: folders of shards, their weights, and what is read of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import yaml

from egocurate.errors import InputError
from egocurate.loaders.config import check_captions
from egocurate.storage.paths import as_path, is_remote, read_bytes
from egocurate.text_choices import TextForm
from egocurate.training.config.train_config import TrainConfig

MOST_BYTES, MOST_SOURCES = 1 << 20, 1000
_KEYS = {"shards": str, "weight": (int, float), "text": str, "tags": str, "captions": (str, dict)}
_WANTED = {"weight": "number", "captions": "text, or kinds with weights, {human: 1, narrator: 0.5}"}
_EXAMPLE = "sources: [{shards: FOLDER, weight: 3}, {shards: FOLDER, weight: 1}]"


@dataclass(frozen=True)
class DataSource:
    """A folder of shards, its weight (None: by its number of clips), and what is read of it ("": as the recipe)."""

    shards: str
    weight: float | None = None
    text: str = ""
    tags: str = ""
    captions: str = ""


def read_data_file(path: str) -> list[DataSource]:
    """Return the sources of a file of YAML; folders are named from where the file is.

    Raises InputError, naming the source and the key, for what is none.
    """
    where = Path(path)
    try:
        document = yaml.safe_load(read_bytes(where, MOST_BYTES).decode())
    except FileNotFoundError as error:
        raise InputError(f"--data {path}: there is no such file") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError, IsADirectoryError) as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(f"--data {path}: it is no YAML ({line}); write {_EXAMPLE}") from error
    if not isinstance(document, dict) or document.keys() != {"sources"} or not isinstance(document["sources"], list):
        raise InputError(f"--data {path}: it has not sources alone; write {_EXAMPLE}")
    if not 0 < len(document["sources"]) <= MOST_SOURCES:
        raise InputError(f"--data {path}: it has {len(document['sources'])} sources, 1 to {MOST_SOURCES} can be")
    sources = [_source(path, number, entry) for number, entry in enumerate(document["sources"], 1)]
    weighted = [source.weight is not None for source in sources]
    if any(weighted) and not all(weighted):
        raise InputError(
            f"--data {path}: source {weighted.index(False) + 1} has no weight: give one to each, or to none"
        )
    return [replace(source, shards=_place(where, source.shards)) for source in sources]


def with_data_file(config: TrainConfig, path: str) -> TrainConfig:
    """Return the config with the sources of a file; raises as `read_data_file`."""
    sources = read_data_file(path)
    data = replace(
        config.data,
        texts=tuple(source.text or config.data.text for source in sources) if any(s.text for s in sources) else (),
        tags=tuple(source.tags or "own" for source in sources) if any(s.tags for s in sources) else (),
        folder_captions=tuple(source.captions or config.data.captions for source in sources)
        if any(s.captions for s in sources)
        else (),
    )
    weights = tuple(float(source.weight) for source in sources if source.weight is not None)
    return replace(config, shards=tuple(source.shards for source in sources), weights=weights, data=data)


def _source(path: str, number: int, entry: Any) -> DataSource:  # noqa: ANN401 (what YAML holds)
    where = f"--data {path}: source {number}"
    if not isinstance(entry, dict) or "shards" not in entry:
        raise InputError(f"{where} names no shards; write {{shards: FOLDER, weight: 1}}")
    for key, value in entry.items():
        if key not in _KEYS:
            raise InputError(f"{where}: there is no {key!r}; there are {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]) or isinstance(value, bool) or value == "":
            raise InputError(f"{where}: {key} is {value!r}; give a {_WANTED.get(key, 'text')}")
    source = DataSource(**entry | {"captions": _captions(where, entry.get("captions", ""))})
    if source.weight is not None and not 0 < source.weight < float("inf"):
        raise InputError(f"{where}: weight is {source.weight}; give a number above 0")
    forms = get_args(TextForm)
    if source.text and source.text not in forms:
        raise InputError(f"{where}: text is {source.text!r}; give {' or '.join(forms)}")
    return source


def _captions(where: str, said: str | dict) -> str:
    """Return a choice of captions as `data.captions` has it, "" for none; raises InputError for another."""
    choice = said if isinstance(said, str) else "+".join(f"{kind}:{weight}" for kind, weight in said.items())
    try:
        if said != "":
            check_captions(choice)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    return choice


def _place(file: Path, folder: str) -> str:
    path = as_path(folder)
    return folder if is_remote(path) or path.is_absolute() else str(file.parent / path)
