"""What tests share: a tiny Ego4D root, and the command line run as a user would."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import settings

from egocurate.curation.synthetic import DemoRootConfig, LabeledRootConfig, write_demo_root, write_labeled_root
from egocurate.ray_session import QUIET
from egocurate.storage import store_errors

settings.register_profile("any machine", deadline=None)  # how long a test takes is no matter of right and wrong
settings.load_profile("any machine")


def pytest_configure():
    """Take Ctrl-C again where the tests are run in the background: a shell makes those ignore it, children too."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def same_scheduling():
    """Fail a test that leaves this process at another priority: libraries may do that, and later tests stand still."""
    before = os.sched_getscheduler(0)
    yield
    assert os.sched_getscheduler(0) == before


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory):
    """A synthetic root of 6 train and 6 val videos of 20 s; read only."""
    root = tmp_path_factory.mktemp("root")
    write_demo_root(root, DemoRootConfig(train=6, val=6, video_sec=20.0, side=64, fps=15))
    return root


@pytest.fixture(scope="session")
def labeled_root(tmp_path_factory):
    """Synthetic labeled data of every kind, some seconds each; read only."""
    root = tmp_path_factory.mktemp("labeled")
    config = LabeledRootConfig(
        train=12, test=6, long_train=2, long_test=1, motion_sec=1.0, video_sec=16.0, side=48, fps=10
    )
    write_labeled_root(root, config)
    return root


@pytest.fixture(scope="session")
def ray_up():
    """Ray, for the rest of this process: a session takes eight seconds to start."""
    os.environ.update(QUIET)
    import ray

    with mock.patch.dict(os.environ, {"RAY_AUTH_MODE": "disabled"}):  # "token" after a test that had a cluster
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            object_store_memory=100 * 1024 * 1024,
        )
    yield
    ray.shutdown()


@pytest.fixture
def nothing_said(monkeypatch):
    """Begin as a new process does, which has not said yet that a store stumbles."""
    monkeypatch.setattr(store_errors, "_given", bytearray(16))


@pytest.fixture(scope="session")
def curate():
    """Run `curate ARGS...` in a process of its own; returns its CompletedProcess."""

    def run(*args, cwd=None, timeout=240):
        command = [sys.executable, "-m", "egocurate", *map(str, args)]
        env = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=timeout, env=env)

    return run
