"""The folder that `curate eval --all` reads: which benchmarks' data are in it, by one layout."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from egocurate.commands.evaluation.benchmarks import Benchmarks, ZeroShotRequest
from egocurate.errors import InputError
from egocurate.labels import check_kinds
from egocurate.swap_quiz import SWAP_QUIZ_FILE
from egocurate.training.tasks.zero_shot.video_retrieval import RetrievalTest

LAYOUT = {
    "egomcq": ("egomcq.json", "egomcq-shards"),
    "epic-retrieval": ("epic/retrieval_annotations", "epic/shards"),
    "charades-ego": ("charades/CharadesEgo", "charades/CharadesEgo_v1_480"),
    "retrieval": ("retrieval.csv", "retrieval-shards or retrieval-videos"),
}
"""Benchmark -> its annotations and its clips below the root. Labeled shards are folders of ZERO_SHOT."""

ZERO_SHOT = "zero-shot"
_TEMPLATES = "templates"


class FoundData(NamedTuple):
    """The benchmarks that can be asked, and of those of which a part is there, what is missing, by name."""

    benchmarks: Benchmarks
    halves: dict[str, str]


def find_data(root: Path, mcq_mode: str = "") -> FoundData:
    """Return the benchmarks whose data are in a folder; raises InputError, one line, if there are none."""
    there: dict[str, list[str]] = {}
    halves: dict[str, str] = {}
    for name, parts in LAYOUT.items():
        paths = [_existing(root, part) for part in parts]
        if all(paths):
            there[name] = [str(path) for path in paths]
        elif any(paths):
            lacking = ", ".join(part for part, path in zip(parts, paths, strict=True) if not path)
            halves[name] = f"{root} has no {lacking}"
    zero_shot = _zero_shot(root / ZERO_SHOT)
    if not (there or halves or zero_shot):
        wanted = ", ".join(parts[0] for parts in LAYOUT.values())
        raise InputError(
            f"--data {root}: has none of {wanted}, {ZERO_SHOT}/NAME; lay the data out so (page Evaluation of the "
            "documentation), links will do"
        )
    benchmarks = Benchmarks(
        *there.get("egomcq", ("", "")),
        mcq_mode,
        *there.get("epic-retrieval", ("", "")),
        *there.get("charades-ego", ("", "")),
        zero_shot=zero_shot,
        retrieval=_retrieval(*there["retrieval"]) if "retrieval" in there else None,
        swap_quiz=_existing(root, SWAP_QUIZ_FILE) if "egomcq" in there else "",
    )
    return FoundData(benchmarks, halves)


def _existing(root: Path, part: str) -> Path | None:
    """Return the first of the paths that a text with "or" names which is there."""
    return next((path for name in part.split(" or ") if (path := root / name).exists()), None)


def _retrieval(captions: str, clips: str) -> RetrievalTest:
    of_shards = Path(clips).name == "retrieval-shards"
    return RetrievalTest(Path(captions), shards=clips if of_shards else "", videos="" if of_shards else clips)


def _zero_shot(folder: Path) -> tuple[ZeroShotRequest, ...]:
    """Return a request for each folder of shards: NAME/, with NAME.KIND.csv for names and NAME.templates.txt."""
    requests = []
    for shards in sorted(path for path in folder.glob("*") if path.is_dir()):
        beside = [path for path in sorted(folder.glob(f"{shards.name}.*.*")) if path.is_file()]
        by_kind = {path.name.removeprefix(f"{shards.name}.").partition(".")[0]: path for path in beside}
        templates = by_kind.pop(_TEMPLATES, None)
        check_kinds(list(by_kind))
        names = tuple(f"{kind}={path}" for kind, path in by_kind.items())
        requests.append(ZeroShotRequest(str(shards), shards.name, label_names=names, templates=str(templates or "")))
    return tuple(requests)
