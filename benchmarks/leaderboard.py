"""Every benchmark of `curate eval --all`, of the demo's run on invented data: `python -m benchmarks.leaderboard`.

It shows that all of them run, and where chance is left behind: what others have published is of other, real data.
`--out FOLDER` keeps what is finished, a demo in FOLDER/demo among it.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from benchmarks.record import figure, write_record
from benchmarks.verbs import demo_run, run_verb
from egocurate.commands.evaluation.published import read_published
from egocurate.commands.jobs.evaluate import ALL_FILE
from egocurate.commands.output.output_folder import MCQ_SHARDS
from egocurate.curation.synthetic import LabeledRootConfig, write_labeled_root
from egocurate.questions import QUESTIONS_FILE

EGOCLIP = "demo/egoclip"
LABELED = LabeledRootConfig(train=6, test=36, long_train=1, long_test=8)


def lay_out(out: Path) -> Path:
    """Write labeled videos, cut them and lay everything out as --data has it; returns that folder."""
    labeled, root = out / "labeled", out / "benchmarks"
    write_labeled_root(labeled, LABELED)
    (root / "zero-shot").mkdir(parents=True, exist_ok=True)
    for name, file, more in (
        ("actions", labeled / "epic" / "EPIC_100_validation.csv", ["--labels", "verb,noun"]),
        ("motions", labeled / "motions" / "test.txt", ["--label-names", str(labeled / "motions" / "classes.txt")]),
    ):
        videos = ["--videos-dir", str(file.parent)]
        run_verb("segments", "--csv", file, *more, *videos, "--out", root / "zero-shot" / name, "--profile", "fast")
    links = {QUESTIONS_FILE: out / EGOCLIP / QUESTIONS_FILE, MCQ_SHARDS: out / EGOCLIP / MCQ_SHARDS}
    links |= {"charades": labeled / "charades", "retrieval-videos": labeled / "charades" / "CharadesEgo_v1_480"}
    for name, where in links.items():
        if not (root / name).exists():
            (root / name).symlink_to(where.resolve())
    with (labeled / "charades" / "CharadesEgo" / "CharadesEgo_v1_test_only1st.csv").open(newline="") as file:
        told = [(row["id"], sentence) for row in csv.DictReader(file) for sentence in row["script"].split(". ")[:3]]
    with (root / "retrieval.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("video_id", "sentence"), *told])
    return root


def measure(out: Path) -> list[dict[str, object]]:
    """Return each figure of the demo's run, with what others have published beside."""
    run_verb("eval", demo_run(out), "--all", "--data", lay_out(out), "--out", out / "all")
    published = read_published()
    figures = []
    for task in json.loads((out / "all" / ALL_FILE).read_text())["tasks"]:
        for name, value in task["figures"].items():
            if value is None:  # there was nothing to ask
                continue
            theirs = [str(one) for one in published if (one.task, one.figure) == (task["task"], name)]
            unit = "rank" if name.endswith("median_rank") else "%"
            figures.append(figure(f"{task['task']}: {name}", value, unit) | {"published": "; ".join(theirs)})
    return figures


def main() -> None:
    """Train, evaluate and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for data and runs")
    write_record("leaderboard", measure(parser.parse_args().out))


if __name__ == "__main__":
    main()
