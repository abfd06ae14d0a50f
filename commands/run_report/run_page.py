"""Put the page of a training run together and write it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from egocurate.commands.report.charts import parts
from egocurate.commands.report.page import REPORT_FILE, Card, write_page
from egocurate.commands.report.panels import DrawnPanel
from egocurate.commands.run_report.answers import pick
from egocurate.commands.run_report.curve_charts import curve_panels, rate
from egocurate.commands.run_report.drawings import draw_asked, draw_neighbors, find_mistakes, lexicon_beside
from egocurate.commands.run_report.quiz import Quiz, answer
from egocurate.commands.run_report.reconstruction import restored_clips
from egocurate.errors import InputError
from egocurate.models.counting import count_parameters
from egocurate.models.videomae.model import VideoMAE
from egocurate.progress import Report
from egocurate.shards.read.index import ShardIndex
from egocurate.storage.fingerprint import fingerprint, value_fingerprint
from egocurate.storage.paths import as_path, is_remote
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks, single_rank
from egocurate.training.monitor.curves import Curve, read_curves
from egocurate.training.run.checkpoint_folders import newest_checkpoint
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.run.run_inputs import weights_fingerprint
from egocurate.training.systems import System
from egocurate.version import __version__

ASKED = 4  # questions drawn of each kind


@dataclass(frozen=True)
class Parts:
    """What of the page is drawn from the model; empty where it, its questions or its clips are not at hand."""

    said: dict[str, Any] = field(default_factory=dict)
    cards: tuple[Card, ...] = ()
    missing: tuple[str, ...] = ()


def write_run_report(run: Path, mcq_json: str, mcq_shards: str, most: int, report: Report) -> tuple[Path, bool]:
    """Write report.html into the folder of a run; return its path, and whether it was there already, of the same.

    mcq_json, mcq_shards: the questions, "" for those of the run. most: how many of them are answered. Raises InputError
    for a folder without a run, or a run that has not logged anything yet.
    """
    config, curves = read_figures(run)
    given = bool(mcq_json)
    config = replace(config, mcq_json=mcq_json or config.mcq_json, mcq_shards=mcq_shards or config.mcq_shards)
    state = _state(run, config, most)
    out = run / REPORT_FILE
    if out.is_file() and f'content="{state}"' in out.read_text(errors="replace")[:4096]:
        return out, True
    drawn = _drawn(run, config, most, report, given=given)
    steps = max(int(curve[0][-1]) for curve in curves.values())
    facts = {
        "title": run.resolve().name,
        "about": about_run(run, config, steps),
        "state": state,
        "cards": [*figure_cards(curves), *drawn.cards],
        "panels": curve_panels(curves),
        "missing": drawn.missing,
        "settings": settings_by_part(config),
    }
    write_page(out, "run.html.j2", {"answers": None, "neighbors": [], "restored": []} | facts | drawn.said)
    return out, False


def read_figures(run: Path) -> tuple[TrainConfig, dict[str, Curve]]:
    """Return what a run depends on and what it has logged; raises InputError as `write_run_report`."""
    config = read_run(run, [])
    table = run / "metrics.csv"
    curves = read_curves(table) if table.is_file() else {}
    if not curves:
        raise InputError(
            f"{run}: has logged no figures yet (metrics.csv); it does so each log_every={config.log_every}"
        )
    return config, curves


def _state(run: Path, config: TrainConfig, most: int) -> str:
    """Return a digest of all that the page is drawn from, so that the same page is not drawn twice."""
    checkpoint = newest_checkpoint(run)
    questions = Path(config.mcq_json)
    return value_fingerprint(
        [
            __version__,
            fingerprint(run / "metrics.csv"),
            weights_fingerprint(run, int(checkpoint.name.removeprefix("step-"))) if checkpoint else "",
            fingerprint(questions) if questions.is_file() else "",
            [str(_at_hand(where)) for where in (config.mcq_shards, *config.shards)],
            most,
        ]
    )[:32]


def _drawn(run: Path, config: TrainConfig, most: int, report: Report, *, given: bool) -> Parts:
    if newest_checkpoint(run) is None:
        return Parts(missing=(f"The run has no checkpoint yet; it gets one each {config.checkpoint_every:,} steps.",))
    config = replace(config, start="", video_weights="")
    ranks = single_rank(config)
    system, step = restore(config, ranks)
    size = Card(f"{count_parameters(system.model) / 1e6:,.1f} M", "parameters", f"checkpoint of step {step:,}")
    if system.embedding:
        drawn = _answered(config, system, ranks, most, report, given=given)
    elif isinstance(system.model, VideoMAE):
        drawn = _restored(config, system)
    else:
        drawn = Parts(missing=(f"{config.system} has no text tower: there are no answers to show.",))
    return replace(drawn, cards=(*drawn.cards, size))


def _answered(config: TrainConfig, system: System, ranks: Ranks, most: int, report: Report, *, given: bool) -> Parts:
    way_out = "--mcq-json and --mcq-shards name questions and their clips"
    if not config.mcq_json:
        return Parts(missing=(f"The run was given no EgoMCQ questions: {way_out}.",))
    gone = next((where for where in (config.mcq_json, config.mcq_shards) if not _at_hand(where)), None)
    if gone and not given:
        return Parts(missing=(f"The run's EgoMCQ questions are not at hand ({gone} is gone): {way_out}.",))
    try:
        quiz = answer(config, system, ranks, most, report)
    except InputError as error:
        if given:
            raise
        return Parts(missing=(f"The run's EgoMCQ questions cannot be answered ({error}): {way_out}.",))
    picked = pick(quiz.answers, quiz.questions.texts, ASKED)
    mistakes = find_mistakes(quiz, lexicon_beside(config.mcq_json, quiz.questions.index.num_verbs))
    groups = [
        ("Sure, and right", "What the model has learned best.", picked.surely_right),
        ("Sure, and wrong", "What it has learned wrongly, or what the questions ask wrongly.", picked.surely_wrong),
        ("Least sure", "What it cannot tell apart yet.", picked.unsure),
    ]
    answers = {
        "about": _in_words(quiz),
        "groups": [(title, note, draw_asked(quiz, places)) for title, note, places in groups if len(places)],
        "parts": DrawnPanel("Right and wrong answers", parts([mistakes.parts]), [""]),
        "verbs": mistakes.verbs,
    }
    return Parts({"answers": answers, "neighbors": draw_neighbors(quiz)})


def _in_words(quiz: Quiz) -> str:
    count = len(quiz.questions)
    some = f"{count:,} questions" if count == quiz.asked else f"{count:,} of {quiz.asked:,} questions"
    figures = ", ".join(f"{value:.1f} % of the {name}-video ones" for name, value in quiz.accuracy.items())
    left_out = f" {quiz.left_out:,} more have a clip that does not decode." if quiz.left_out else ""
    return f"{some}, answered by the cosine of text and clip: right are {figures}.{left_out}"


def _restored(config: TrainConfig, system: System) -> Parts:
    folder = next((where for where in config.shards if _at_hand(where)), None)
    if folder is None:
        return Parts(missing=("The shards that the run has learned from are not at hand: no clip can be filled in.",))
    return Parts({"restored": restored_clips(config, system, ShardIndex.open(as_path(folder)))})


def _at_hand(where: str) -> bool:
    path = as_path(where)
    return bool(where) and (is_remote(path) or path.exists())


def about_run(run: Path, config: TrainConfig, steps: int) -> str:
    """Say what was trained, for how long, when and on what."""
    said = f"{config.system} · {steps:,} steps of {config.batch_size:,} clips"
    try:
        start = json.loads((run / "versions.json").read_text())[0]
        devices = ", ".join(f"{count} x {name}" for name, count in start["devices"].items())
        return f"{said} · began {start['started'][:10]} on {devices}"
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return said  # of another version, or not whole


def figure_cards(curves: dict[str, Curve]) -> list[Card]:
    """Return the last value of each figure that counts."""

    def card(name: str, title: str, show: Callable[[float], str], chance: str = "") -> list[Card]:
        if name not in curves:
            return []
        values = curves[name][1]
        began = f"from {show(float(values[0]))}" if len(values) > 1 else ""
        return [Card(show(float(values[-1])), title, ", ".join(filter(None, (began, chance))))]

    def percent(value: float) -> str:
        return f"{value:.1f} %"

    speed = []
    if "clips_per_sec" in curves:
        waits = f"{np.median(curves['data_wait'][1]):.1%} of the time waiting for data" if "data_wait" in curves else ""
        speed = [Card(rate(float(np.median(curves["clips_per_sec"][1]))), "clips a second, median", waits)]
    return [
        *card("mcq_inter", "EgoMCQ inter-video", percent, "chance 20 %"),
        *card("mcq_intra", "EgoMCQ intra-video", percent, "chance 20 %"),
        *card("loss", "loss", lambda value: f"{value:.3f}"),
        *speed,
    ]


def settings_by_part(config: TrainConfig) -> dict[str, dict[str, str]]:
    """Return every setting by the part that it belongs to."""
    groups: dict[str, dict[str, str]] = {"run": {}}

    def add(group: str, values: dict[str, Any], prefix: str = "") -> None:
        for name, value in values.items():
            if isinstance(value, dict):
                add(group if prefix or group != "run" else name, value, "" if group == "run" else f"{prefix}{name}.")
            else:
                groups.setdefault(group, {})[prefix + name] = str(value)

    add("run", asdict(config))
    return groups
