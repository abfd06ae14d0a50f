"""The verb that shows everything: demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egocurate.commands.verbs.options import Json, Out, check_out
from egocurate.console import print_summary, progress


def demo(
    out: Out = Path("demo"),
    long: Annotated[
        bool,
        typer.Option("--long", help="In place of all this, make long videos with questions, moments and summaries."),
    ] = False,
    json: Json = False,
) -> None:
    """Run the whole way on invented videos.

    Example: curate demo --out demo/
    """
    check_out(out, "demo")

    from egocurate.commands.jobs.demo import run_demo, run_long_demo

    if long:
        with progress(not json) as on_progress:
            print_summary("Long videos", run_long_demo(out, on_progress), json)
        return

    from egocurate.commands.report import write_report
    from egocurate.train import train_demo

    with progress(not json) as on_progress:
        rows = run_demo(out, train_demo, on_progress)
    rows["report"] = str(write_report(out / "egoclip"))
    print_summary("Demo", rows, json)
    if not json:
        print("\nOn a real Ego4D root:\n  curate egoclip --ego4d-root /path/to/ego4d --out /path/to/egoclip")
        print("  curate egomcq  --ego4d-root /path/to/ego4d --out /path/to/egoclip")
