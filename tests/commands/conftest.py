"""An output folder as `curate egoclip` and `curate egomcq` leave it, and the page about it."""

import pytest

from egocurate.commands.jobs.cutting import RunOptions
from egocurate.commands.jobs.egoclip import run_egoclip
from egocurate.commands.jobs.egomcq import run_egomcq
from egocurate.commands.report import write_report
from egocurate.curation.config import EgoClipConfig, EgoMCQConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.progress import silent


@pytest.fixture(scope="session")
def made(tiny_root, tmp_path_factory):
    """An output folder with tables, shards and questions; read only but for report.html."""
    out, source = tmp_path_factory.mktemp("report") / "O", Ego4DSource(tiny_root)
    options = RunOptions(shard_clips=64)
    run_egoclip(source, out, EgoClipConfig(), "auto", options, silent)
    run_egomcq(source, out, EgoMCQConfig(inter=12, intra=4), None, "auto", options, silent)
    return out


@pytest.fixture(scope="session")
def page(made):
    return write_report(made).read_text()
