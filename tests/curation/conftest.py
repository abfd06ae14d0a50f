from pathlib import Path

import pytest

from tests.curation.hostile_root import write_hostile_root


@pytest.fixture(scope="session")
def hostile_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hostile_root(tmp_path_factory.mktemp("ego4d"))
