"""`curate report`: one self-contained HTML page about an output folder."""

from egocurate.commands.report.page import write_report

__all__ = ["write_report"]
