"""Type checkers and editors resolve the package: a user's first script, read by pyright."""

import json
import subprocess
import sys

import pytest

SCRIPT = """\
import egocurate
from egocurate.loaders.config import StreamConfig

data = egocurate.stream("shards", batch_size=8, preset="egovlp")
config = StreamConfig(size=112)
reveal_type(data)
reveal_type(config)
"""


@pytest.mark.parametrize("environment", [pytest.param("from_wheel", marks=pytest.mark.slow), "from_checkout"])
def test_pyright_resolves_a_first_script(environment, request, tmp_path):
    installed = request.getfixturevalue(environment)
    (tmp_path / "first.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", str(installed.python), "first.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    said = [(row["severity"], row["message"]) for row in json.loads(done.stdout)["generalDiagnostics"]]
    assert said == [
        ("information", 'Type of "data" is "Stream"'),
        ("information", 'Type of "config" is "StreamConfig"'),
    ]
