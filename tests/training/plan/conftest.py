"""A process of its own for what registers a device: the tests' own process keeps the devices that it has."""

import pytest

from egocurate.workers.local import LocalWorkers
from tests.training.plan.fake_runs import register


@pytest.fixture(scope="session")
def apart():
    """Run a function of a module, with arguments, in that process; its errors are raised here."""
    with LocalWorkers(1) as workers:

        def run(function, *arguments):
            workers.submit("run", function, *arguments)
            ended = []
            while not ended:
                ended = workers.wait(60.0)
            if ended[0].error is not None:
                raise ended[0].error
            return ended[0].value

        run(register)  # before the first backward pass, for which PyTorch counts the devices that there are
        yield run
