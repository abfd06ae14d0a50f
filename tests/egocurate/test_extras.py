"""The table of what extras bring is that of pyproject.toml."""

import re
import tomllib
from pathlib import Path

from egocurate.extras import EXTRAS, way_to_install

ROOT = Path(__file__).parents[2]


def test_the_table_says_what_pyproject_says():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra, packages in EXTRAS.items():
        required = {
            re.match(r"[\w-]+", line)[0].replace("-", "_")
            for line in project["optional-dependencies"][extra]
            if not line.startswith("egocurate[")
        }
        assert required == set(packages)


def test_a_module_inside_a_package_is_installed_with_it():
    assert way_to_install("torch.nn.functional") == way_to_install("torch") == "pip install 'egocurate[train]'"
    assert way_to_install("torchcodec") == "pip install 'egocurate[torchcodec]'"
    assert way_to_install("torchvision") is way_to_install(None) is None
