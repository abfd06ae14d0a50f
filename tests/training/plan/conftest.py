"""A process of its own for what registers a device: the tests' own process keeps the devices that it has."""

import pytest

from egocurate.workers.local import LocalWorkers


@pytest.fixture(scope="session")
def apart():
    """Run a function of a module, with arguments, in that process; its errors are raised here."""
    with LocalWorkers(1) as workers:

        def run(function, *arguments):
            workers.submit(function.__name__, function, *arguments)
            [ended] = workers.wait(120.0)
            if ended.error is not None:
                raise ended.error
            return ended.value

        yield run
