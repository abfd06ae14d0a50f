"""`curate report RUN`: one self-contained HTML page about a training run."""

from egocurate.commands.run_report.run_page import write_run_report

__all__ = ["write_run_report"]
