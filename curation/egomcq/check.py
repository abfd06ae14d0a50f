"""Check an egomcq.json against what EgoMCQ promises, whoever wrote it."""

import itertools
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from egocurate.clip_table import CLIP_ID, PUBLISHED_TYPES
from egocurate.curation.sources.cells import LONGEST_SEC
from egocurate.curation.text.marks import normalize
from egocurate.errors import one_line
from egocurate.literal_lists import class_list
from egocurate.questions import CLIPS_FILE, INTER, INTRA, ITEM_FIELDS, OPTIONS, read_json
from egocurate.storage.typed_parquet import read_any, read_typed

Item = Mapping[str, Any]
_NUMBERS = tuple(name for name in ITEM_FIELDS if pa.types.is_floating(PUBLISHED_TYPES[name]))
_TEXTS = tuple(name for name in ITEM_FIELDS if PUBLISHED_TYPES[name] == pa.string() or name.startswith("tag_"))
_IN_TABLE = ("narration_time", "clip_start", "clip_end", "clip_text")  # what the table of clips says as well
_CLIPS_SCHEMA = pa.schema(
    [(name, PUBLISHED_TYPES[name]) for name in (*CLIP_ID, *_IN_TABLE)] + [("place", pa.int64()), ("scene", pa.int64())]
)
_VIDEOS_SCHEMA = pa.schema([("video_uid", pa.string())])
_SIGMAS = 5  # a slot that is this far from its share was not drawn uniformly
_CACHED = 1 << 16  # distinct texts and tags in memory: the same clip is read in many questions


def check_file(path: str | Path) -> list[str]:
    """Check an egomcq.json; raises InputError if it, or a table beside it, cannot be read.

    Where egomcq_clips.parquet lies beside it, options must be its clips, intra options consecutive by its `place`, and
    inter options of five scenes by its `scene`; where egoclip.parquet does, no video may be one of its.
    """
    path = Path(path)
    questions = read_json(path)
    beside, trained = path.with_name(CLIPS_FILE), path.with_name("egoclip.parquet")
    clips = read_typed(beside, _CLIPS_SCHEMA, optional=("place", "scene")) if beside.is_file() else None
    videos = read_typed(trained, _VIDEOS_SCHEMA)["video_uid"].unique() if trained.is_file() else None
    return check_egomcq(questions, clips=clips, trained_on=None if videos is None else videos.to_pylist())


def not_checked(path: str | Path) -> list[str]:
    """Return what `check_file` cannot know of an egomcq.json, for want of a table beside it."""
    path = Path(path)
    clips, trained = path.with_name(CLIPS_FILE), path.with_name("egoclip.parquet")
    columns = read_any(clips).column_names if clips.is_file() else ()
    told = {
        "whether the options are clips of the source": bool(columns),
        "whether the options of an intra question are consecutive": "place" in columns,
        "whether two options of an inter question film one scene": "scene" in columns,
    }
    notes = [f"{what}: no {CLIPS_FILE} beside it tells" for what, is_told in told.items() if not is_told]
    if not trained.is_file():
        notes.append("whether a video is trained on: no egoclip.parquet beside it")
    return notes


def check_egomcq(
    questions: object,
    scenes: Mapping[str, int] | None = None,
    pool: pa.Table | None = None,
    clips: pa.Table | None = None,
    trained_on: Collection[str] | None = None,
) -> list[str]:
    """Return the problems of EgoMCQ questions, one line each that names the question.

    With `scenes` (video_uid -> scene) inter options must be of five scenes; with `pool` (the clip table the questions
    were drawn from) intra options must be consecutive in it; with `clips` (the table of the questions' clips) every
    option must be one of them, and its `scene` and `place` stand in for the other two; none may be of a video of
    `trained_on`.
    """
    if not isinstance(questions, dict):
        return [f"the file holds a {type(questions).__name__}, not an object of questions"]
    if not questions:
        return ["the file holds no questions"]
    problems = []
    scenes = _stored_scenes(clips) if scenes is None else scenes
    if list(questions) != [str(number) for number in range(len(questions))]:
        problems.append(f'keys are not "0" to "{len(questions) - 1}" in order')
    order = _places(pool) if pool is not None else _stored_places(clips)
    known = dict(zip(_clip_ids(clips), _columns(clips, _IN_TABLE), strict=True)) if clips is not None else None
    if known is not None and len(known) < len(clips):
        problems.append(f"{CLIPS_FILE} names {len(clips) - len(known)} clips more than once")
    seen: dict[frozenset, str] = {}
    sound = []
    for name, question in questions.items():
        wrong = list(_form(question))
        if not wrong:
            wrong = list(_content(question, scenes, order, known))
            options = frozenset(_clip_id(item) for item in question["choices"].values())
            if options in seen:
                wrong.append(f"has the options of question {seen[options]}")
            seen.setdefault(options, name)
            sound.append(question)
        problems += [f"question {name}: {problem}" for problem in wrong]
    problems += _whole(sound, set(trained_on or ()))
    return [one_line(problem) for problem in problems]


def _whole(questions: list[Mapping[str, Any]], trained_on: set[str]) -> Iterator[str]:
    """Check what only all questions together tell: leaks, one annotator per video, where the answers stand."""
    passes: dict[str, set[str]] = {}
    for question in questions:
        for item in question["choices"].values():
            passes.setdefault(item["video_uid"], set()).add(item["narration_source"])
    leaks = sorted(trained_on & passes.keys())
    if leaks:
        yield f"{len(leaks)} of {len(passes)} videos are in egoclip.parquet too, the first is {leaks[0]}"
    several = sorted(video for video, names in passes.items() if len(names) > 1)
    if several:
        yield f"{len(several)} of {len(passes)} videos are asked about by two annotators, the first is {several[0]}"
    for kind in (INTER, INTRA):
        slots = Counter(question["answer"] for question in questions if question["types"] == kind)
        share = slots.total() / OPTIONS
        for slot in range(OPTIONS):
            if abs(slots[slot] - share) > _SIGMAS * math.sqrt(share * (1 - 1 / OPTIONS)):
                yield f"types {kind}: {slots[slot]} of {slots.total()} answers are choice {slot}, not about a fifth"


def _form(question: object) -> Iterator[str]:
    """Check keys and types, so that what follows can read them."""
    if not isinstance(question, dict) or set(question) != {"query", "answer", "choices", "types"}:
        yield "keys are not query, answer, choices, types"
        return
    answer, kind, choices = question["answer"], question["types"], question["choices"]
    if type(answer) is not int or not 0 <= answer < OPTIONS:
        yield f"answer is {answer!r}, not 0 to {OPTIONS - 1}"
    if type(kind) is not int or kind not in (INTER, INTRA):
        yield f"types is {kind!r}, not {INTER} (inter) or {INTRA} (intra)"
    if not isinstance(choices, dict) or list(choices) != [str(place) for place in range(OPTIONS)]:
        yield f'choices are not "0" to "{OPTIONS - 1}" in order'
        return
    for where, item in [("query", question["query"]), *((f"choice {place}", item) for place, item in choices.items())]:
        yield from (f"{where}: {problem}" for problem in _item(item))


def _item(item: object) -> Iterator[str]:
    if not isinstance(item, dict):
        yield "not an object"
        return
    missing, extra = set(ITEM_FIELDS) - set(item), set(item) - set(ITEM_FIELDS)
    if missing:
        yield f"lacks {', '.join(sorted(missing))}"
        return
    if extra:
        yield f"has {', '.join(sorted(map(str, extra)))}, which egoclip.csv has not"
    for field in _TEXTS:
        if not isinstance(item[field], str):
            yield f"{field} is {item[field]!r}, not a string"
    for field in _NUMBERS:
        if not _is_seconds(item[field]):
            yield f"{field} is {item[field]!r}, not a number of seconds"
    if type(item["narration_ind"]) is not int:
        yield f"narration_ind is {item['narration_ind']!r}, not a whole number"
    start, end = item["clip_start"], item["clip_end"]
    if _is_seconds(start) and _is_seconds(end) and not start < end:
        yield f"clip_start is {start!r}, not before clip_end {end!r}"
    for field in ("tag_verb", "tag_noun"):
        if isinstance(item[field], str) and _classes(item[field]) is None:
            yield f"{field} is {item[field]!r}, not a list of numbers as text"


def _is_seconds(value: object) -> bool:
    return type(value) in (int, float) and abs(value) <= LONGEST_SEC  # not so for NaN


def _content(
    question: Mapping[str, Any], scenes: Mapping[str, int] | None, order: dict | None, known: dict | None
) -> Iterator[str]:
    choices = list(question["choices"].values())
    if question["query"] != choices[question["answer"]]:
        yield f"query is not choice {question['answer']}"
    yield from _distinct(choices)
    if not any(_tags(question["query"])):
        yield "the answer has neither a verb nor a noun"
    for item in choices if known is not None else ():
        listed = known.get(_clip_id(item))
        if listed is None:
            yield f"clip {_clip_id(item)} is not among the clips of the questions"
        elif listed != tuple(item[field] for field in _IN_TABLE):
            field, there = next((f, value) for f, value in zip(_IN_TABLE, listed, strict=True) if value != item[f])
            yield f"clip {_clip_id(item)} has {field} {item[field]!r}, its table {there!r}"
    videos = {item["video_uid"] for item in choices}
    if question["types"] == INTER:
        if len(videos) < OPTIONS:
            yield f"inter, but its options are of {len(videos)} videos"
        elif scenes is not None and len({scenes.get(video, video) for video in videos}) < OPTIONS:
            yield "inter, but two of its videos film the same scene"
        return
    if len({(item["video_uid"], item["narration_source"]) for item in choices}) > 1:
        yield "intra, but its options are of several videos or passes"
    elif order is not None:
        places = sorted(order.get(_clip_id(item), -1) for item in choices)
        if places[0] < 0 or places[-1] - places[0] != OPTIONS - 1:
            yield "intra, but its options are not consecutive clips"


def _distinct(choices: list[Item]) -> Iterator[str]:
    for what, values in (
        ("the same clip", [_clip_id(item) for item in choices]),
        ("the same text", [_words(item["clip_text"]) for item in choices]),
        ("the same window", [(item["video_uid"], item["clip_start"], item["clip_end"]) for item in choices]),
    ):
        if len(set(values)) < len(values):
            again = next(place for place, value in enumerate(values) if value in values[:place])
            yield f"choices {values.index(values[again])} and {again} have {what}"
    tags = [_tags(item) for item in choices]
    for one, other in itertools.combinations(range(OPTIONS), 2):
        if all(_shared(ours, theirs) for ours, theirs in zip(tags[one], tags[other], strict=True)):
            these = f"{_named(choices[one])}, {_named(choices[other])}"
            yield f"choices {one} and {other} share a verb and a noun ({these})"


def _shared(ours: frozenset[int], theirs: frozenset[int]) -> bool:
    """Tell whether two clips have a class in common; none at all counts as one."""
    return bool(ours & theirs) or not (ours or theirs)


def _named(item: Item) -> str:
    return f"verbs {item['tag_verb']} nouns {item['tag_noun']}"


def _tags(item: Item) -> tuple[frozenset[int], frozenset[int]]:
    return _classes(item["tag_verb"]) or frozenset(), _classes(item["tag_noun"]) or frozenset()


_words = lru_cache(_CACHED)(normalize)


@lru_cache(_CACHED)
def _classes(text: str) -> frozenset[int] | None:
    classes = class_list(text)
    return None if classes is None else frozenset(classes)


def _clip_id(item: Item) -> tuple[str, str, int]:
    return tuple(item[field] for field in CLIP_ID)


def _clip_ids(clips: pa.Table) -> Iterator[tuple[str, str, int]]:
    return _columns(clips, CLIP_ID)


def _columns(clips: pa.Table, names: tuple[str, ...]) -> Iterator[tuple]:
    return zip(*(clips[name].to_pylist() for name in names), strict=True)


def _stored_scenes(clips: pa.Table | None) -> dict[str, int] | None:
    """Return the scene of each video of the questions, if the table of their clips tells."""
    if clips is None or "scene" not in clips.column_names:
        return None
    return dict(_columns(clips, ("video_uid", "scene")))


def _stored_places(clips: pa.Table | None) -> dict[tuple[str, str, int], int] | None:
    """Return where each clip of the questions stands among the clips of its pass, if their table tells."""
    if clips is None or "place" not in clips.column_names:
        return None
    return dict(zip(_clip_ids(clips), clips["place"].to_pylist(), strict=True))


def _places(pool: pa.Table) -> dict[tuple[str, str, int], int]:
    """Number the clips of a table by video, pass, time."""
    by_time = pool.sort_by(
        [(name, "ascending") for name in ("video_uid", "narration_source", "narration_time", "narration_ind")]
    )
    return {clip: place for place, clip in enumerate(_clip_ids(by_time))}
