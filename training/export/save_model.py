"""Give a trained model away: a folder that has its weights in a form, what they are of, and a card to read."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from egocurate.errors import InputError
from egocurate.storage.atomic import sync_folder, write_json, write_text
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.json_notes import read_note
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import single_rank
from egocurate.training.export.forms import FORMS
from egocurate.training.export.model_card import model_card
from egocurate.training.export.run_facts import facts_of
from egocurate.training.export.saved_config import to_give_away
from egocurate.training.run.checkpoint_folders import OWN_FORM, SAVED_MODEL, is_saved_model
from egocurate.training.run.load_model import Model
from egocurate.training.run.model_source import Loaded, ModelSource, source_of
from egocurate.version import __version__

CARD = "README.md"


@dataclass(frozen=True)
class Saved:
    """A folder that holds a model, and whether it held it before."""

    folder: Path
    already_there: bool
    files: dict[str, int]
    """size of each, in bytes, by name"""


def save(model: Model | str | Path, folder: str | Path, *, form: str = OWN_FORM) -> Path:
    """Write a model to a folder to give away, and return it.

    model: what `load_model` gave, as it is now, or what it takes: a run's folder, a file or name of released weights.
    form: safetensors, which `load_model(folder)` reads again; hf, which transformers opens; egovlp, which the code of
    EgoVLP or EgoVLPv2 reads; timm, the ViT of single frames. README.md in the folder tells what the model is, what it
    has learned from, its figures and how it is opened.

    Raises InputError, one line, for a model that has no such form, and for a folder that holds something else.
    """
    if isinstance(model, Model):
        return save_loaded(model.loaded, model.config, Path(folder), form).folder
    source = source_of(model)
    return save_source(source, Path(folder), form).folder


def save_source(source: ModelSource, folder: Path, form: str, changes: tuple[str, ...] = ()) -> Saved:
    """Load a model on the CPU and write it, as `save` does; `changes` are `key=value` settings of it."""
    config = replace(source.read(changes), device="cpu")
    check_folder(folder, form)
    return save_loaded(source.load(config, single_rank(config)), config, folder, form)


def save_loaded(loaded: Loaded, config: TrainConfig, folder: Path, form: str) -> Saved:
    """Write a loaded model as `save` does."""
    if form not in FORMS:
        raise InputError(f"form {form!r}: there are {', '.join(FORMS)}")
    digest = weights_digest(loaded.system.model)
    if check_folder(folder, form, digest):
        return Saved(folder, True, _sizes(folder))
    with _whole_folder(folder) as writing:
        opened = FORMS[form].write(loaded.system, config, writing)
        facts = facts_of(loaded, config)
        write_text(writing / CARD, model_card(loaded, config, form, facts, opened))
        files = {name: fingerprint(writing / name) for name in _sizes(writing)}
        step = loaded.origin.get("step")
        note = {"form": form, "step": step, "weights": digest, "version": __version__, "files": files}
        write_json(writing / SAVED_MODEL, note | {"config": to_give_away(config)})
    return Saved(folder, False, _sizes(folder))


def check_folder(folder: Path, form: str, digest: str = "") -> bool:
    """Tell whether a folder holds this model in this form, whole; raises InputError if it holds anything else.

    digest: of the weights, "" where they are not known yet.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not is_saved_model(folder)):
        raise InputError(f"{folder} holds something else: name another folder")
    if not is_saved_model(folder):
        return False
    note = read_note(folder / SAVED_MODEL, dict, "name another folder")
    if note.get("form") != form or (digest and note.get("weights") != digest):
        raise InputError(
            f"{folder} holds another model (--to {note.get('form')}, step {note.get('step')}): name another folder"
        )
    return bool(digest) and _unchanged(folder, note.get("files"))


def weights_digest(model: nn.Module) -> str:
    """Return a digest of a model's tensors, by name, whatever device they are on."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).numpy().tobytes())
    return digest.hexdigest()


def _unchanged(folder: Path, files: object) -> bool:
    sizes = _sizes(folder)
    if not isinstance(files, dict) or files.keys() | {SAVED_MODEL} != sizes.keys():
        raise InputError(f"{folder} holds a model with other files than were written: name another folder")
    changed = [name for name in files if fingerprint(folder / name) != files[name]]
    if changed:
        raise InputError(f"{folder / changed[0]} is not what was written: delete the folder, or name another")
    return True


def _sizes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()
    }


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write to: it takes its name on a clean exit, and is removed on any other."""
    writing = folder.with_name(f".{folder.name}.writing-{secrets.token_hex(4)}")
    try:
        writing.mkdir(parents=True)
        yield writing
        for path in writing.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        writing.replace(folder)
    except BaseException as error:
        shutil.rmtree(writing, ignore_errors=True)
        if isinstance(error, OSError):
            raise InputError(f"{folder}: {error.strerror or error}: make room there, or name another folder") from error
        raise
    sync_folder(folder.parent)
