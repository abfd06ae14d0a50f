"""Who does the work: processes for what is soon done, Ray for more and where a session is up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from egocurate.ray_session import ray_session
from egocurate.workers.choose import open_workers
from egocurate.workers.on_ray import RayWorkers
from egocurate.workers.tasks import run_each

ROOT = Path(__file__).parents[3]

SMALL = """
import sys
from egocurate.workers.choose import open_workers
from egocurate.workers.tasks import run_each
with open_workers(2, 10.0) as workers:
    print(sorted(ended.result() for ended in run_each(workers, pow, {0: (2, 3), 1: (2, 4)})))
print("ray" in sys.modules)
"""


def test_small_work_does_not_even_import_ray():
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", SMALL], capture_output=True, text=True, env=env)
    assert done.stdout.splitlines() == ["[8, 16]", "False"], done.stderr


def test_a_session_that_is_up_is_used_for_anything():
    with ray_session():
        with open_workers(1, 0.1) as workers:
            assert isinstance(workers, RayWorkers)
            assert [ended.result() for ended in run_each(workers, pow, {0: (2, 3)})] == [8]
        assert ray.is_initialized()


MORE = """
import sys
from egocurate.workers.choose import SOON_SEC, open_workers
stages = []
with open_workers(1, SOON_SEC / 2) as workers:
    print(type(workers).__name__)
with open_workers(10_000, 10_000 * SOON_SEC, lambda *stage: stages.append(stage)) as workers:
    print(type(workers).__name__)
import pytest
import ray
print(ray.is_initialized(), *stages)
"""


@pytest.mark.slow
def test_more_work_starts_a_session_and_ends_it():
    # In a process of its own: other tests keep a session up in this one.
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", MORE], capture_output=True, text=True, env=env)
    expected = ["LocalWorkers", "RayWorkers", "False ('starting Ray', 0, 1) ('starting Ray', 1, 1)"]
    assert done.stdout.splitlines() == expected, done.stderr
