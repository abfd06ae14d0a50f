"""`curate report RUN`: one self-contained HTML page about a training run, or about two."""

from egocurate.commands.run_report.compare_runs import write_run_comparison
from egocurate.commands.run_report.run_page import write_run_report

__all__ = ["write_run_comparison", "write_run_report"]
