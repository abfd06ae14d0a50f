"""What happens in a synthetic video, and how two annotators tell it: pure functions of a random generator."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# Verb class -> (label, words for it). Each class is one motion in `render.py`.
VERBS: dict[str, tuple[str, ...]] = {
    "lift": ("lift", "raise", "pick up"),
    "lower": ("lower", "put down"),
    "pull": ("pull", "drag"),
    "push": ("push", "shove"),
    "rotate": ("rotate", "turn", "spin"),
    "shake": ("shake", "jiggle"),
    "stir": ("stir", "mix"),
    "tap": ("tap", "knock"),
}
# Noun class -> words for it. Each class is one shape in `render.py`.
NOUNS: dict[str, tuple[str, ...]] = {
    "apple": ("apple",),
    "ball": ("ball",),
    "book": ("book", "notebook"),
    "bottle": ("bottle", "flask"),
    "box": ("box", "carton"),
    "brush": ("brush",),
    "cup": ("cup", "mug"),
    "knife": ("knife", "blade"),
    "phone": ("phone", "cellphone"),
    "plate": ("plate", "dish"),
}
ACTION_SEC = 2.2  # an action lasts this long, centered on the moment it is about
OBJECTS_PER_SCENE = 5
# Class of motion -> the axis along which the object drifts (x, y or depth), and which way.
MOTIONS: dict[str, tuple[int, int]] = {
    "approaching": (2, 1),
    "moving down": (1, 1),
    "moving left": (0, -1),
    "moving right": (0, 1),
    "moving up": (1, -1),
    "receding": (2, -1),
}


@dataclass(frozen=True)
class Action:
    """One thing the camera wearer does: `verb`, or one of MOTIONS, with `noun`, around `time_sec`.

    A motion starts at `start`, shares (x, y, depth) of the range in each axis. At `change_sec` of the video the object
    comes apart, if it does.
    """

    time_sec: float
    verb: str
    noun: str
    duration_sec: float = ACTION_SEC
    start: tuple[float, float, float] = (0.5, 0.5, 0.5)
    change_sec: float | None = None


@dataclass(frozen=True)
class Script:
    """A video's content: the objects on the table, in places 0..n-1, and the actions in time order."""

    duration_sec: float
    objects: tuple[str, ...]
    actions: tuple[Action, ...] = field(default=())


def write_script(rng: np.random.Generator, duration_sec: float) -> Script:
    """Draw objects and a sequence of actions 2.6 to 4.2 s apart that fills the video; no action follows itself."""
    objects = tuple(str(n) for n in rng.choice(list(NOUNS), size=OBJECTS_PER_SCENE, replace=False))
    actions: list[Action] = []
    time_sec = 1.5 + rng.uniform(0, 1)
    while time_sec < duration_sec - ACTION_SEC / 2:
        choices = [
            (v, n) for v in VERBS for n in objects if not actions or (v, n) != (actions[-1].verb, actions[-1].noun)
        ]
        verb, noun = choices[rng.integers(len(choices))]
        actions.append(Action(float(time_sec), verb, noun))
        time_sec += rng.uniform(2.6, 4.2)
    return Script(duration_sec, objects, tuple(actions))


def third_person(verb: str) -> str:
    """Inflect a verb as narrations have it: "pick up" -> "picks up"."""
    head, _, particle = verb.partition(" ")
    head += "es" if head.endswith(("sh", "ch", "x", "s")) else "s"
    return f"{head} {particle}".strip()


def narrate(rng: np.random.Generator, script: Script, annotator: int) -> list[tuple[float, str]]:
    """Tell a script as one annotator would, as (seconds, text) in time order.

    Both annotators miss some actions, point a little beside the middle of an action, and now and then write what
    the filters are there for: "#unsure", two-word texts, another person.
    """
    narrations: list[tuple[float, str]] = []
    for action in script.actions:
        if rng.random() < 0.08:
            continue
        verb = VERBS[action.verb][rng.integers(len(VERBS[action.verb]))]
        noun = NOUNS[action.noun][rng.integers(len(NOUNS[action.noun]))]
        article = ("the ", "a ", "")[rng.integers(3)]
        time_sec = action.time_sec + rng.normal(0.1 * annotator, 0.15)
        draw = rng.random()
        if draw < 0.02:
            text = f"#C C {third_person(verb)} #unsure"
        elif draw < 0.04:
            text = "#C C waits"
        else:
            text = f"#C C {third_person(verb)} {article}{noun}"
        narrations.append((float(np.clip(time_sec, 0.0, script.duration_sec)), text))
    return narrations
