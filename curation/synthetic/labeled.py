"""Invented data with labels, laid out as benchmarks publish theirs: motions, EPIC, Charades-Ego, state changes."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from egocurate.curation.synthetic.egotaskqa import write_egotaskqa
from egocurate.curation.synthetic.labeled_config import LabeledRootConfig, video_rng, video_seed, video_uid
from egocurate.curation.synthetic.render_all import RenderJob, render_all
from egocurate.curation.synthetic.root import video_entry
from egocurate.curation.synthetic.script import (
    ACTION_SEC,
    MOTIONS,
    NOUNS,
    OBJECTS_PER_SCENE,
    VERBS,
    Action,
    Script,
    third_person,
    write_script,
)
from egocurate.curation.synthetic.stamp import is_made
from egocurate.progress import Report, silent
from egocurate.storage.atomic import write_json

WINDOW_SEC = 8.0
"""Length of the windows of Ego4D's state changes."""

EGO4D_FPS = 30
"""Frames per second in which Ego4D counts frames, whatever the video has."""

_EPIC_HEADER = [
    "narration_id",
    "participant_id",
    "video_id",
    "narration_timestamp",
    "start_timestamp",
    "stop_timestamp",
    "start_frame",
    "stop_frame",
    "narration",
    "verb",
    "verb_class",
    "noun",
    "noun_class",
    "all_nouns",
    "all_noun_classes",
]
_CHARADES_HEADER = [
    "id",
    "subject",
    "scene",
    "quality",
    "relevance",
    "verified",
    "script",
    "objects",
    "descriptions",
    "actions",
    "length",
]


def write_labeled_root(root: Path, config: LabeledRootConfig | None = None, report: Report = silent) -> None:
    """Write motions/, epic/, charades/, ego4d/ and egotaskqa/ below `root`; what is finished with this config stays.

    Raises InputError if it holds one with other settings.
    """
    config = config or LabeledRootConfig()
    stamp = root / "labeled_root.json"
    if is_made(stamp, config, "invented data"):
        return
    for write in (write_motions, write_epic, write_charades, write_state_changes, write_egotaskqa):
        write(root, config, report)
    write_json(stamp, asdict(config))


def write_motions(root: Path, config: LabeledRootConfig, report: Report = silent) -> None:
    """Write motions/: videos of which only the order of the pictures tells the class, with train.txt and test.txt.

    As Something-Something in VideoMAE's form: a line is a path and the number of a class of classes.txt. Classes are
    equally frequent, their order, the objects and where a motion starts are drawn.
    """
    folder, classes = root / "motions", sorted(MOTIONS)
    jobs, first = [], 0
    for split, count in (("train", config.train), ("test", config.test)):
        (folder / split).mkdir(parents=True, exist_ok=True)
        rng = video_rng(config, "motions", first)
        labels = rng.permutation(np.arange(count) % len(classes)).tolist()
        paths = [f"{split}/{split}_{number:04d}.mp4" for number in range(count)]
        for number, (path, label) in enumerate(zip(paths, labels, strict=True), first):
            script = _motion(video_rng(config, "motions", number), classes[label], config.motion_sec)
            jobs.append(RenderJob(script, folder / path, video_seed(config, "motions", number)))
        lines = (f"{path} {label}\n" for path, label in zip(paths, labels, strict=True))
        (folder / f"{split}.txt").write_text("".join(lines))
        first += count
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in classes))
    render_all(jobs, side=config.side, fps=config.fps, report=report, spots=config.spots)


def write_epic(root: Path, config: LabeledRootConfig, report: Report = silent) -> None:
    """Write epic/: the csv files of EPIC-KITCHENS-100 and its videos, a participant each."""
    folder = root / "epic"
    verbs, nouns = sorted(VERBS), sorted(NOUNS)
    jobs, info, number = [], [], 0
    for name, count in (("train", config.long_train), ("validation", config.long_test)):
        rows = []
        for _ in range(count):
            person, video = f"P{number + 1:02d}", f"P{number + 1:02d}_01"
            script = write_script(video_rng(config, "epic", number), config.video_sec)
            path = folder / person / "videos" / f"{video}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            jobs.append(RenderJob(script, path, video_seed(config, "epic", number)))
            info.append((video, script.duration_sec, float(config.fps), f"{config.side}x{config.side}"))
            rows += [_epic_row(i, person, video, action, verbs, nouns) for i, action in enumerate(script.actions)]
            number += 1
        _write_csv(folder / f"EPIC_100_{name}.csv", _EPIC_HEADER, rows)
        _write_retrieval(folder / "retrieval_annotations", "train" if name == "train" else "test", rows)
    _write_csv(folder / "EPIC_100_video_info.csv", ("video_id", "duration", "fps", "resolution"), info)
    for kind, classes in (("verb", VERBS), ("noun", NOUNS)):
        words = [[word.replace(" ", "-") for word in classes[name]] for name in sorted(classes)]
        lines = [(i, name, str(words[i]), "invented") for i, name in enumerate(sorted(classes))]
        _write_csv(folder / f"EPIC_100_{kind}_classes.csv", ("id", "key", "instances", "category"), lines)
    render_all(jobs, side=config.side, fps=config.fps, report=report)


def _write_retrieval(folder: Path, split: str, rows: Sequence[Sequence[object]]) -> None:
    """Write the clips of multi-instance retrieval, all of the split, and their distinct sentences."""
    folder.mkdir(parents=True, exist_ok=True)
    narration, first = _EPIC_HEADER.index("narration"), {}
    for row in rows:
        first.setdefault(row[narration], row[0])
    _write_csv(folder / f"EPIC_100_retrieval_{split}.csv", _EPIC_HEADER, rows)
    sentences = [(uid, sentence) for sentence, uid in first.items()]
    _write_csv(folder / f"EPIC_100_retrieval_{split}_sentence.csv", ("narration_id", "narration"), sentences)


def write_charades(root: Path, config: LabeledRootConfig, report: Report = silent) -> None:
    """Write charades/: Charades-Ego's csv files, classes and first-person videos, each with several actions."""
    folder, videos = root / "charades" / "CharadesEgo", root / "charades" / "CharadesEgo_v1_480"
    for one in (folder, videos):
        one.mkdir(parents=True, exist_ok=True)
    verbs = sorted(VERBS)
    jobs, number = [], 0
    for name, count in (("train", config.long_train), ("test", config.long_test)):
        rows = []
        for _ in range(count):
            uid = f"Z{number:04d}EGO"
            script = _few_verbs(video_rng(config, "charades", number), config.video_sec)
            jobs.append(RenderJob(script, videos / f"{uid}.mp4", video_seed(config, "charades", number)))
            actions = ";".join(
                f"c{verbs.index(action.verb):03d} {action.time_sec - ACTION_SEC / 2:.2f} "
                f"{action.time_sec + ACTION_SEC / 2:.2f}"
                for action in script.actions
            )
            told = ". ".join(f"A person {third_person(action.verb)} a {action.noun}" for action in script.actions)
            objects = ";".join(script.objects)
            rows.append((uid, "S", "Kitchen", 6, 7, "Yes", told, objects, told, actions, script.duration_sec))
            number += 1
        _write_csv(folder / f"CharadesEgo_v1_{name}_only1st.csv", _CHARADES_HEADER, rows)
    lines = (f"c{i:03d} {third_person(verb).capitalize()} something\n" for i, verb in enumerate(verbs))
    (folder / "Charades_v1_classes.txt").write_text("".join(lines))
    render_all(jobs, side=config.side, fps=config.fps, report=report)


def write_state_changes(root: Path, config: LabeledRootConfig, report: Report = silent) -> None:
    """Write ego4d/: fho_oscc-pnr_{train,val}.json in Ego4D's layout, and videos in which objects come apart, or do not.

    The first picture that shows an object in two is the point of no return. Half of the windows have none.
    """
    folder = root / "ego4d"
    annotations, videos_dir = folder / "v2" / "annotations", folder / "v2" / "full_scale"
    for one in (annotations, videos_dir):
        one.mkdir(parents=True, exist_ok=True)
    jobs, entries, narration, number = [], [], {}, 0
    for split, count in (("train", config.long_train), ("val", config.long_test)):
        clips = []
        for _ in range(count):
            uid = video_uid(config, "ego4d", number)
            script = _state_changes(video_rng(config, "ego4d", number), config)
            jobs.append(RenderJob(script, videos_dir / f"{uid}.mp4", video_seed(config, "ego4d", number)))
            entries.append(video_entry(uid, split, script, [], side=config.side, fps=config.fps))
            narration[uid] = {"status": "complete", "narration_pass_1": {"narrations": _told(script), "summaries": []}}
            clips += [_state_change_clip(uid, action) for action in script.actions]
            number += 1
        version = {"version": "v2", "date": "", "description": "invented", "split": split, "clips": clips}
        write_json(annotations / f"fho_oscc-pnr_{split}.json", version)
    write_json(folder / "ego4d.json", {"version": "v2", "videos": entries, "concurrent_video_sets": []})
    write_json(annotations / "narration.json", narration)
    render_all(jobs, side=config.side, fps=config.fps, report=report)


def _motion(rng: np.random.Generator, motion: str, seconds: float) -> Script:
    objects = _objects(rng)
    start = tuple(float(share) for share in rng.random(3))
    # A little longer than the video, so that its first and last pictures show it too.
    action = Action(seconds / 2, motion, objects[0], duration_sec=seconds * 1.001, start=start)
    return Script(seconds, objects, (action,))


def _few_verbs(rng: np.random.Generator, seconds: float) -> Script:
    """A script of three verbs, so that videos differ in what they show."""
    script = write_script(rng, seconds)
    verbs = [str(verb) for verb in rng.choice(sorted(VERBS), 3, replace=False)]
    actions = tuple(
        Action(action.time_sec, verbs[int(rng.integers(len(verbs)))], action.noun) for action in script.actions
    )
    return Script(script.duration_sec, script.objects, actions)


def _state_changes(rng: np.random.Generator, config: LabeledRootConfig) -> Script:
    """A script of windows one after the other: in each an object is tapped, in half of them until it comes apart."""
    objects, windows = _objects(rng), max(2, int(config.video_sec // WINDOW_SEC))
    changes = rng.permutation(np.arange(windows) % 2 == 0)
    actions = []
    for window, has_change in enumerate(changes.tolist()):
        start = window * WINDOW_SEC
        frame = int(rng.integers(round(1.5 * config.fps), round((WINDOW_SEC - 1.5) * config.fps)))
        noun = objects[int(rng.integers(len(objects)))]
        change = start + frame / config.fps if has_change else None
        actions.append(Action(start + WINDOW_SEC / 2, "tap", noun, duration_sec=WINDOW_SEC, change_sec=change))
    return Script(windows * WINDOW_SEC, objects, tuple(actions))


def _state_change_clip(uid: str, action: Action) -> dict:
    start, end = action.time_sec - WINDOW_SEC / 2, action.time_sec + WINDOW_SEC / 2
    name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{uid}/{start}"))
    frame = None if action.change_sec is None else round(action.change_sec * EGO4D_FPS)
    clip = {"clip_id": round(start / WINDOW_SEC), "clip_uid": uid, "video_uid": uid, "unique_id": name}
    for name in ("parent", "clip"):  # the published clips are cut out of their parents, these are the same
        clip |= {f"{name}_start_sec": start, f"{name}_end_sec": end, f"{name}_pnr_frame": frame}
        clip |= {f"{name}_start_frame": round(start * EGO4D_FPS), f"{name}_end_frame": round(end * EGO4D_FPS)}
    return clip | {"state_change": frame is not None}


def _told(script: Script) -> list[dict]:
    return [
        {
            "timestamp_sec": action.time_sec,
            "timestamp_frame": round(action.time_sec * EGO4D_FPS),
            "narration_text": f"#C C {'breaks' if action.change_sec is not None else 'taps'} the {action.noun}",
            "annotation_uid": "",
        }
        for action in script.actions
    ]


def _epic_row(
    number: int, person: str, video: str, action: Action, verbs: Sequence[str], nouns: Sequence[str]
) -> tuple[object, ...]:
    start, stop = action.time_sec - ACTION_SEC / 2, action.time_sec + ACTION_SEC / 2
    verb, noun = verbs.index(action.verb), nouns.index(action.noun)
    words = (f"{action.verb} {action.noun}", action.verb, verb, action.noun, noun, [action.noun], [noun])
    frames = (round(start * 60) + 1, round(stop * 60) + 1)
    return (f"{video}_{number}", person, video, _clock(action.time_sec), _clock(start), _clock(stop), *frames, *words)


def _clock(seconds: float) -> str:
    hundredths = round(seconds * 100)
    return f"{hundredths // 360_000:02d}:{hundredths // 6_000 % 60:02d}:{hundredths % 6_000 / 100:05.2f}"


def _objects(rng: np.random.Generator) -> tuple[str, ...]:
    return tuple(str(noun) for noun in rng.choice(sorted(NOUNS), OBJECTS_PER_SCENE, replace=False))


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
