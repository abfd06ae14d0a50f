"""Start Ray where it is not running, quietly, and stop what was started."""

import functools
import os
import secrets
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from egocurate.descendants import descendants, kill
from egocurate.errors import InputError, ProcessEnds

if TYPE_CHECKING:
    from ray._private.worker import BaseContext
    from ray.remote_function import RemoteFunction

# Read by Ray when it is imported or started; each silences a notice that is about Ray, not about the run.
QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_enable_metrics_collection": "0",
}
PRIVATE = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),  # of this process and the sessions that it starts
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # despite its name: whether a node takes an address others can reach
}
ANSWER_SEC = 5.0  # within which a cluster's port must answer; Ray itself would try for minutes
SLOW_SEC = 10.0  # of waiting for Ray to start, after which the user is told so
OBJECT_STORE_BYTES = 512 * 1024 * 1024
_started: set[int] = set()
"""The processes of the session that was started here; none for one of a cluster."""
TOKEN_HINT = "copy ~/.ray/auth_token of its head node to this machine, or unset RAY_AUTH_MODE on both"


@contextmanager
def ray_session(address: str | None = None) -> Iterator[str | None]:
    """Have Ray running inside the block: the session that is up, else the cluster at `address`, else this machine.

    Yields the URL of its dashboard, or None where it has none. Raises InputError if it does not come up. Of a session
    of this machine no process is left after the block, and nobody else can reach it while it is up: it has a token of
    its own, no dashboard, and listens on loopback alone.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if address is not None:
        _check_answers(address)
        use_token()
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        yield None
        return
    if address is None:
        with _private():
            yield from _session(address)
    else:
        _read_token_again()  # that of an earlier session of this process is another
        yield from _session(address)


def _session(address: str | None) -> Iterator[str | None]:
    import ray

    options: dict[str, object] = {"log_to_driver": False, "logging_level": "error", "configure_logging": True}
    if address is None:
        # Paths and time ranges travel between tasks, never video: a small store is enough.
        options |= {"address": "local", "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    else:
        options["address"] = address
    others = set(descendants([os.getpid()]))
    try:
        try:
            with _notice_of_slow_start(address), _own_sigterm():
                context = _start(options, address)
        finally:
            _started.update(set(descendants([os.getpid()])) - others)
        # Ray would print the log of a node that dies on standard output, where scripts read the summary.
        ray._private.worker._worker_logs_enabled = False
        yield f"http://{context.dashboard_url}" if context.dashboard_url else None
    except BaseException as error:
        leave_ray(at_once=isinstance(error, ProcessEnds))
        raise
    leave_ray()


@contextmanager
def _private() -> Iterator[None]:
    """Have a session that is started in the block listen on loopback alone, for who knows this process's token.

    Without a token whoever reaches a port of Ray runs code here, and the token that Ray makes by itself lies in a file
    that every user of the machine can read.
    """
    before = {name: os.environ.get(name) for name in (*PRIVATE, "RAY_AUTH_TOKEN_PATH")}
    os.environ.update(PRIVATE)
    os.environ.pop("RAY_AUTH_TOKEN_PATH", None)
    import ray

    may_span_machines = ray._private.ray_constants.ENABLE_RAY_CLUSTER
    ray._private.ray_constants.ENABLE_RAY_CLUSTER = False  # as the environment says, had Ray not been imported before
    _read_token_again()
    try:
        yield
    finally:
        ray._private.ray_constants.ENABLE_RAY_CLUSTER = may_span_machines
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        _read_token_again()


def _read_token_again() -> None:
    """Have Ray, if it is loaded, look again at whether there is to be a token and which one it is."""
    if "ray" in sys.modules:
        from ray._raylet import AuthenticationTokenLoader, Config

        Config.initialize("")
        AuthenticationTokenLoader.instance().reset_cache()


def leave_ray(*, at_once: bool = False) -> None:
    """Leave the session that is up, and with it all its tasks; no process of one that was started here is left.

    `at_once` is for a process that ends itself next: Ray takes seconds to leave, and may abort the process if the same
    signal has reached its own ones, but it takes as long to notice that these were killed.
    """
    import ray

    ours = {*_started, *descendants(_started)}
    if not (at_once and ours):
        ray.shutdown()
        _started.clear()
    kill(ours)  # workers would notice only after a while that their node is gone


def ray_task(function: Callable, **options: object) -> "RemoteFunction":
    """Make a Ray task of a function; a relative path means there what it means here.

    Workers stand in the folder where their session was started, which need not be this process's. `options` are those
    of `ray.remote`.
    """
    import ray

    folder = Path.cwd()

    @functools.wraps(function)
    def there(*arguments: object) -> object:
        if folder.is_dir():  # absent on a node of its own, where only absolute paths lead anywhere
            os.chdir(folder)
        return function(*arguments)

    return ray.remote(**options)(there) if options else ray.remote(there)


def _start(options: dict[str, object], address: str | None) -> "BaseContext":
    import ray

    try:
        return ray.init(**options)
    except ConnectionError as error:
        if "InvalidAuthToken" in "".join(traceback.format_exception(error)):
            raise InputError(f"the Ray cluster at {address} refuses this machine's token: {TOKEN_HINT}") from error
        raise _no_cluster(address or "this machine") from error
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        where = f"at {address}" if address else "on this machine"
        reason = str(error).strip().partition("\n")[0]
        hint = (
            TOKEN_HINT
            if address
            else "see the logs in /tmp/ray/session_latest/logs, or name a cluster with --ray-address"
        )
        raise InputError(f"Ray {where} does not start: {reason}; {hint}") from error


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep SIGTERM as it is for this process while Ray starts, which would take it twice over and offers no way out."""
    import ray

    ray._private.utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            # Ray's native code has put its own handler, which prints a stack, in place of Python's.
            signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


@contextmanager
def _notice_of_slow_start(address: str | None) -> Iterator[None]:
    """Say so if Ray takes long to start, as it does where it is going to fail a minute later."""
    where = (
        f"at {address} to answer; {TOKEN_HINT}"
        if address
        else "to start on this machine; its logs: /tmp/ray/session_latest/logs"
    )
    timer = threading.Timer(SLOW_SEC, lambda: print(f"still waiting for Ray {where}", file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def use_token() -> None:
    """Send this machine's token, if it has one, to clusters; without effect once Ray is imported.

    `ray start --head` asks for a token wherever there is one, but Ray sends none to an address that is given.
    """
    settings = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    if (Path.home() / ".ray" / "auth_token").is_file() or any(name in os.environ for name in settings):
        os.environ.setdefault("RAY_AUTH_MODE", "token")


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
