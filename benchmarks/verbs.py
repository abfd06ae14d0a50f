"""The verbs of `curate` within this process, and the run of its demo."""

from __future__ import annotations

from pathlib import Path

from egocurate.commands.curate import main as curate


def run_verb(*words: object) -> None:
    """Run the words after `curate`; raises SystemExit if they fail."""
    try:
        curate([*map(str, words)])
    except SystemExit as left:
        if left.code:
            raise


def demo_run(folder: Path) -> Path:
    """Return the run of `curate demo --out FOLDER/demo`, egovlp-tiny after its six epochs, made if it is not there."""
    demo = folder / "demo"
    if not (demo / "run/result.json").exists():
        run_verb("demo", "--out", demo)
    return demo / "run"
