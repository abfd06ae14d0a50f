"""What this machine has for the job: codecs, language data, Ray, PyTorch, disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from egocurate.errors import InputError
from egocurate.extras import way_to_install

TEXT_MODEL = "distilbert-base-uncased"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `needed` says whether the toolkit works without it."""

    name: str
    good: bool
    what: str
    needed: bool = True


def examine() -> list[Finding]:
    """Look at everything; what only training needs may be absent."""
    tables = [_encoder(), _parser(), _wordnet(), _ray()]
    return [*tables, _torch(), _text_model(), _stores(), _memory(), _disk(), *_decoders()]


def _encoder() -> Finding:
    import av

    good = "libx264" in av.codecs_available
    return Finding(
        "encoder libx264", good, f"PyAV {av.__version__}" + ("" if good else "; install PyAV's wheel: pip install av")
    )


def _parser() -> Finding:
    from egocurate.curation.text.pos_tags import parse

    try:
        next(parse(["#C C takes plate"]))
    except InputError as error:
        return Finding("spaCy model", False, str(error))
    return Finding("spaCy model", True, "loads")


def _wordnet() -> Finding:
    from egocurate.curation.text.wordnet import wordnet_folder

    return Finding("WordNet", True, f"shipped; unpacked into {wordnet_folder()} when dictionaries are built")


def _ray() -> Finding:
    try:
        return Finding("Ray", True, version("ray"))
    except PackageNotFoundError:
        return Finding("Ray", False, "pip install ray")


def _text_model() -> Finding:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ModuleNotFoundError as error:
        return _absent("text tower", error)
    cached = isinstance(try_to_load_from_cache(TEXT_MODEL, "config.json"), str)
    how = f"{TEXT_MODEL} is not in the hub's cache: training `egovlp` fetches it (`hf download` where there is no net)"
    return Finding("text tower", cached, f"{TEXT_MODEL} is in the hub's cache" if cached else how, needed=False)


def _stores() -> Finding:
    clients = {}
    for name in ("s3fs", "gcsfs"):
        try:
            clients[name] = version(name)
        except PackageNotFoundError:
            continue
    what = ", ".join(f"{name} {number}" for name, number in clients.items())
    return Finding("object stores", bool(clients), what or f"for s3://: {way_to_install('s3fs')}", needed=False)


def _memory() -> Finding:
    """Ray's tasks and the loaders' workers hand batches over through /dev/shm; containers often have 64 MB of it."""
    shared = Path("/dev/shm")
    if not shared.exists():
        return Finding("shared memory", True, "no /dev/shm here")
    free = shutil.disk_usage(shared).free
    more = "" if free > 1e9 else "; start the container with --shm-size=8g"
    return Finding("shared memory", free > 1e9, f"{free / 1e9:,.1f} GB free{more}", needed=False)


def _torch() -> Finding:
    try:
        import torch
    except ModuleNotFoundError as error:
        return _absent("torch", error)
    cards = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("torch", True, f"{torch.__version__}, {', '.join(cards) or 'no GPU: trains on the CPU'}")


def _decoders() -> list[Finding]:
    from egocurate.shards.video.decode import DECODERS, load

    loaded = {name: load(name) for name in DECODERS}
    return [
        Finding(f"decoder {name}", one.frames is not None, one.note, needed=name == "pyav")
        for name, one in loaded.items()
    ]


def _absent(name: str, error: ModuleNotFoundError) -> Finding:
    """Say how to install what only training needs; raises the error again if no extra brings it."""
    line = way_to_install(error.name)
    if line is None:
        raise error
    return Finding(name, False, f"for training: {line}", needed=False)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    return Finding("disk here", free > 1e9, f"{free / 1e9:,.0f} GB free" + ("" if free > 1e9 else "; free some"))
