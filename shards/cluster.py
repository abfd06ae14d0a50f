"""Start Ray where it is not running, quietly, and stop what was started."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from shards.errors import InputError

# Read by Ray when it is imported or started; each silences a notice that is about Ray, not about the run.
QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_enable_metrics_collection": "0",
}
ANSWER_SEC = 5.0  # within which a cluster's port must answer; Ray itself would try for minutes
OBJECT_STORE_BYTES = 512 * 1024 * 1024


@contextmanager
def ray_session(address: str | None = None) -> Iterator[None]:
    """Have Ray running inside the block: the session that is up, else the cluster at `address`, else this machine."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield
        return
    options = {"log_to_driver": False, "logging_level": "error", "configure_logging": True}
    if address is None:
        # Paths and time ranges travel between tasks, never video: a small store is enough.
        options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    else:
        _check_answers(address)
        options["address"] = address
    try:
        ray.init(**options)
    except ConnectionError as error:
        raise _no_cluster(address or "this machine") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Raise InputError if nothing listens at `host:port` or `ray://host:port`; `auto` is left to Ray."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--ray-address {address}: not an address; give auto, host:port or ray://host:port")
    try:
        socket.create_connection((host, int(port)), ANSWER_SEC).close()
    except OSError as error:
        raise _no_cluster(address) from error


def _no_cluster(address: str) -> InputError:
    return InputError(
        f"no Ray cluster answers at {address}: start one with `ray start --head`, or leave the address out"
    )
