"""Two training runs on one page: what each has reached, their figures on the same axes, and what was set otherwise."""

from __future__ import annotations

from pathlib import Path

from egocurate.commands.report.page import write_page
from egocurate.commands.report.settings import differing
from egocurate.commands.run_report.curve_charts import shared_panels
from egocurate.commands.run_report.run_page import about_run, figure_cards, read_figures, settings_by_part


def write_run_comparison(run: Path, other: Path) -> Path:
    """Write report-beside-<name>.html into the first of two runs and return its path.

    Nothing of the models is loaded: the figures are those that the runs have logged. Raises InputError for a folder
    without a run, or a run that has not logged anything yet.
    """
    both = [(one, *read_figures(one)) for one in (run, other)]
    short = [one.resolve().name for one, _, _ in both]
    names = short if short[0] != short[1] else [str(one) for one, _, _ in both]
    if names[0] == names[1]:
        names = [f"{names[0]} (1)", f"{names[1]} (2)"]
    settings = [settings_by_part(config) for _, config, _ in both]
    facts = {
        "names": names,
        "abouts": [
            about_run(one, config, max(int(curve[0][-1]) for curve in curves.values())) for one, config, curves in both
        ],
        "cards": [figure_cards(curves) for _, _, curves in both],
        "panels": shared_panels(dict(zip(names, (curves for _, _, curves in both), strict=True))),
        "differences": [row for row in differing(*settings) if row[0] != "run: out"],
    }
    out = run / f"report-beside-{short[1]}.html"
    write_page(out, "runs-beside.html.j2", facts)
    return out
