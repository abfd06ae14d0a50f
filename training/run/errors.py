"""A mistake, or a machine's limit, in one line that says what to change; of many ranks one speaks."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import torch
import torch.distributed as dist

from egocurate.errors import InputError, ProcessEnds
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.run.known_errors import gpu_memory_line, is_between_ranks, known_failure, peer_gone_line

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
LOST_SEC = 3.0  # a rank that only lost touch waits so long for the one that knows why
ASK_SEC = 2.0  # less than a signal leaves to a command (commands/ending.py)


class RanksApart(InputError):  # noqa: N818 (reads as what happened)
    """This rank cannot talk to the others; why, another one may know better."""


class RankLost(RanksApart):
    """Another rank ended."""


class NotMet(InputError):  # noqa: N818 (reads as what happened)
    """The ranks have not found each other, so that none can be asked anything."""


@contextmanager
def explained(config: TrainConfig) -> Iterator[None]:
    """Turn what a machine cannot do into an InputError: memory, room on the disk, other ranks that do not answer."""
    try:
        yield
    except InputError:
        raise
    except (MemoryError, OSError, RuntimeError) as error:  # torch's own kinds are RuntimeErrors
        plain = explain(error, config)
        if plain is None:
            raise
        raise plain from error


def explain(error: Exception, config: TrainConfig) -> InputError | None:
    """Return the line for an error, None if it is not one of those known."""
    said = str(error)
    if isinstance(error, torch.OutOfMemoryError):
        sizes = re.search(r"Tried to allocate ([\d.]+ \w+).*?total capacity of ([\d.]+ \w+)", said, re.DOTALL)
        wanted = f" ({sizes[1]} more than its {sizes[2]} hold)" if sizes else ""
        return InputError(f"out of memory on the GPU{wanted}: {_smaller(config)}")
    if line := gpu_memory_line(said):
        return InputError(
            f"out of memory on the GPU ({line}): end what else runs there (nvidia-smi); {_smaller(config)}"
        )
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in said:
        held = f"{config.data.workers} data.workers hold batches beside it"
        return InputError(f"out of memory on the host: {_smaller(config)}; {held}")
    if isinstance(error, OSError):
        where = error.filename or config.out
        return (
            InputError(f"{where}: {error.strerror}: make room there, or name another --out; --resume goes on")
            if error.errno in _NO_ROOM
            else None
        )
    if isinstance(error, dist.DistNetworkError | dist.DistStoreError) and not dist.is_initialized():
        return _not_met(said)
    if known := known_failure(said):
        return InputError(known)
    if isinstance(error, dist.DistError) or is_between_ranks(said):
        return _apart(said)
    return None


def _apart(said: str) -> RanksApart:
    """Return the line for a failure between ranks that is of no known cause."""
    if line := peer_gone_line(said):
        return RankLost(
            f"another rank ended without a word, or cannot be reached ({line}): it was killed (out of host memory?) or "
            "its node is gone; the same line with --resume goes on"
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = lines[-1] if lines else "no reason given"  # NCCL's last line is its reason
    return RanksApart(
        f"the ranks cannot work together ({told}): NCCL_DEBUG=WARN and TORCH_DISTRIBUTED_DEBUG=DETAIL tell more; the "
        "same line with --resume goes on"
    )


def _smaller(config: TrainConfig) -> str:
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    clips = config.batch_size // ranks * (2 if config.data.negatives else 1)
    return (
        f"a rank has {clips} clips of {config.data.frames} frames (batch_size={config.batch_size}, {ranks} ranks); "
        "--set activation_checkpointing=true, --set micro_batches=2 or more, more ranks, "
        "or a smaller batch_size or data.frames"
    )


def _not_met(said: str) -> NotMet:
    place = f"{os.environ.get('MASTER_ADDR', '?')}:{os.environ.get('MASTER_PORT', '?')}"
    [told, *_] = said.splitlines() or ["no reason given"]
    if "listen" in said or "EADDRINUSE" in said:
        return NotMet(f"the port of {place} is taken ({told}): give torchrun another --rdzv-endpoint HOST:PORT")
    return NotMet(
        f"the ranks cannot meet at {place} ({told}): --rdzv-endpoint must be the same on all nodes, the host one of "
        "them, reachable from the others under that name, its port open"
    )


def end_rank(error: Exception, line: str | None, status: int) -> NoReturn:
    """End a rank that torchrun started, at once; the first of them to fail says why.

    error is on its way out, line what is to be said of it: None for a fault of the program, which shows its traceback.
    A group that has lost a rank cannot be left in good order: NCCL would wait for the others for ever.
    """
    rank = os.environ["RANK"]
    if line is None:
        message = f"{traceback.format_exc()}curate (rank {rank}): a fault in the program, see above"
    else:
        message = f"curate (rank {rank}): {line}"
    if isinstance(error, RanksApart):
        with suppress(ProcessEnds):  # torchrun has noticed, too, and ends this rank; the reason stays what it is
            time.sleep(LOST_SEC)
    # Whoever has taken the port would not answer, and let this rank wait for ever.
    if isinstance(error, NotMet) or first_to_speak():
        print(message, file=sys.stderr)
    if "TORCHELASTIC_ERROR_FILE" in os.environ:  # torchrun's summary ends with what this says
        record = json.dumps({"message": message, "timestamp": str(int(time.time()))})
        Path(os.environ["TORCHELASTIC_ERROR_FILE"]).write_text(record)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def first_to_speak() -> bool:
    """Tell whether no other rank has spoken in this attempt; True as well if none can be asked."""
    host, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT")
    if not host or not port:
        return True
    try:
        socket.create_connection((host, int(port)), ASK_SEC).close()  # torch would try again where it is refused
        store = dist.TCPStore(host, int(port), is_master=False, timeout=timedelta(seconds=ASK_SEC))
        return store.add(f"egocurate/spoken/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", 1) == 1
    except (dist.DistError, OSError):
        return True
