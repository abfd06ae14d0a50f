"""`curate report`: one self-contained HTML page about an output folder, or about two side by side."""

from egocurate.commands.report.page import write_comparison, write_report

__all__ = ["write_comparison", "write_report"]
