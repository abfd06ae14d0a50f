"""Start Ray where it is not running, quietly, and stop what was started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

# Read by Ray when it is imported or started; each silences a notice that is about Ray, not about the run.
QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_enable_metrics_collection": "0",
}
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
        options["address"] = address
    ray.init(**options)
    try:
        yield
    finally:
        ray.shutdown()
