"""What this machine can do for the job: each thing is tried, in small, not looked up."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from egocurate.descendants import descendants, kill
from egocurate.errors import InputError
from egocurate.extras import way_to_install

TEXT_MODEL = "distilbert-base-uncased"
RAY_SEC = 20.0  # in which Ray starts, or does not
SIDE, FRAMES = 64, 4  # of the clip that encoder and decoders are tried on
_START_RAY = """
from egocurate.errors import InputError
from egocurate.ray_session import ray_session
try:
    with ray_session():
        pass
except InputError as error:
    raise SystemExit(str(error))
"""


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

    try:
        size = len(_clip())
    except (av.error.FFmpegError, ValueError) as error:
        return Finding(
            "encoder libx264", False, f"PyAV {av.__version__}: {error}; install PyAV's wheel: pip install av"
        )
    return Finding("encoder libx264", True, f"PyAV {av.__version__}; wrote a clip of {size:,} bytes")


def _clip() -> bytes:
    """Return a small clip as shards have it: gray pictures, each brighter than the one before."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for shade in np.linspace(40, 200, FRAMES):
            picture = np.full((SIDE, SIDE, 3), shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


def _parser() -> Finding:
    from egocurate.curation.text.pos_tags import parse

    try:
        parsed = next(parse(["#C C takes plate"]))
    except (InputError, OSError, ValueError) as error:  # not there, or of another version of spaCy
        return Finding("spaCy model", False, str(error).partition("\n")[0])
    verbs = [word for word, tag in zip(parsed.words, parsed.tags, strict=True) if tag.startswith("VB")]
    return Finding(
        "spaCy model", verbs == ["takes"], f"finds the verb of `#C C takes plate`: {', '.join(verbs) or 'none'}"
    )


def _wordnet() -> Finding:
    """Look a word up; WordNet is unpacked for that, as where dictionaries are built."""
    from egocurate.curation.text.wordnet import wordnet

    try:
        senses = len(wordnet().synsets("plate", "n"))
    except InputError as error:
        return Finding("WordNet", False, str(error))
    return Finding("WordNet", senses > 0, f"knows {senses} senses of `plate`")


def _ray() -> Finding:
    """Start Ray and stop it; work that is soon done needs none."""
    try:
        ray = f"Ray {version('ray')}"
    except PackageNotFoundError:
        return Finding("Ray", False, "pip install ray")
    began = time.monotonic()
    # In a process of its own, which can be ended where Ray would wait for minutes.
    trial = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{_START_RAY}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        reason = trial.communicate(timeout=RAY_SEC)[1].strip().rpartition("\n")[2] or "its process died"
    except subprocess.TimeoutExpired:
        reason = f"has not started within {RAY_SEC:.0f} s; its logs: /tmp/ray/session_latest/logs"
    finally:
        kill([*descendants([trial.pid]), trial.pid])
        trial.wait()
    if trial.returncode == 0:
        return Finding("Ray", True, f"{ray}; started and stopped in {time.monotonic() - began:.0f} s")
    return Finding("Ray", False, f"{ray}: {reason}; jobs of more than a minute need it")


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
    from egocurate.shards.video.decode import DECODERS

    return [_decoder(name) for name in DECODERS]


def _decoder(name: str) -> Finding:
    """Decode the clip that the encoder writes."""
    from egocurate.shards.video.decode import decode_frames, load
    from egocurate.shards.video.decoder_protocol import DecodeError

    found, needed = load(name), name == "pyav"
    if found.frames is None:
        return Finding(f"decoder {name}", False, found.note, needed)
    try:
        shades = decode_frames(_clip(), np.arange(FRAMES), name).mean(axis=(1, 2, 3))
    except (DecodeError, ValueError, RuntimeError, OSError) as error:
        return Finding(f"decoder {name}", False, f"{found.note}, but it decodes no clip: {error}", needed)
    good = bool((np.diff(shades) > 0).all())
    what = f"{found.note}; decoded a clip" if good else f"{found.note}, but its frames are not those of the clip"
    return Finding(f"decoder {name}", good, what, needed)


def _absent(name: str, error: ModuleNotFoundError) -> Finding:
    """Say how to install what only training needs; raises the error again if no extra brings it."""
    line = way_to_install(error.name)
    if line is None:
        raise error
    return Finding(name, False, f"for training: {line}", needed=False)


def _disk() -> Finding:
    """Write to the folder that the command runs in."""
    here = Path.cwd()
    free = shutil.disk_usage(here).free
    try:
        with tempfile.TemporaryFile(dir=here) as file:
            file.write(b"written")
            file.flush()
    except OSError as error:
        return Finding("disk here", False, f"{here} cannot be written to ({error.strerror}); --out names another place")
    return Finding("disk here", free > 1e9, f"{free / 1e9:,.0f} GB free" + ("" if free > 1e9 else "; free some"))
