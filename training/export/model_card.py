"""README.md of a model that is given away: what it is, how it is opened, its figures, data and settings."""

from __future__ import annotations

from pathlib import Path

from egocurate.models.counting import count_parameters
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.export.forms import FORMS
from egocurate.training.export.pixels import normalization
from egocurate.training.export.run_facts import RunFacts
from egocurate.training.run.checkpoint_folders import SAVED_MODEL
from egocurate.training.run.model_source import Loaded
from egocurate.version import __version__

_WHAT = {
    "egovlp": "EgoVLP (arXiv 2206.01670): clips and narrations in one space, compared by the cosine",
    "egovlpv2": "EgoVLPv2 (arXiv 2307.05463): clips and narrations in one space, or fused in the upper layers",
    "videomae": "VideoMAE (arXiv 2203.12602): clips without texts, learned by filling in hidden cubes",
    "videoprism-stage1": "VideoPrism (arXiv 2402.13217), first stage: clips and texts in one space",
    "videoprism-stage2": "VideoPrism (arXiv 2402.13217), second stage: the encoder of clips alone",
    "videoprism-lit": "VideoPrism (arXiv 2402.13217), texts tuned to the second stage's encoder",
}
_LICENSE = """\
This card names no license: whoever publishes the weights chooses one, as far as what they have learned from allows.
Clips and narrations of Ego4D, EPIC-KITCHENS-100 and others come under licenses of their own, which say what may be done
with models that have learned from them. Weights that go on from published ones keep the conditions of those: VideoMAE's
are CC-BY-NC 4.0."""


def model_card(loaded: Loaded, config: TrainConfig, form: str, facts: RunFacts, opened: str) -> str:
    """Return the card; `opened`: the lines that open the folder, which they call FOLDER."""
    step = loaded.origin.get("step")
    source = f"step {step:,} of a training run" if isinstance(step, int) else f"the weights {Path(loaded.title).name}"
    shell = opened.startswith("curate ")
    parts = [
        _front_matter(config, form),
        f"# {config.system}, {count_parameters(loaded.system.model) / 1e6:.1f} M parameters",
        f"{_WHAT[config.system]}. These are {source}, in the form `{form}`: {FORMS[form].help}.",
        "## Open it",
        f"```{'sh' if shell else 'python'}\n{opened.replace('FOLDER', 'path/to/this/folder')}\n```",
        _input(config, loaded),
        _figures(facts),
        _data(facts),
        _settings(config, facts),
        "## License",
        _LICENSE,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(config: TrainConfig, form: str) -> str:
    tags = "\n".join(f"- {tag}" for tag in ("video", "egocentric-vision", "ego4d", "egocurate", config.system))
    return f"---\nlibrary_name: {FORMS[form].library}\npipeline_tag: feature-extraction\ntags:\n{tags}\n---"


def _input(config: TrainConfig, loaded: Loaded) -> str:
    data, (mean, std), step = config.data, normalization(config), loaded.origin.get("step")
    lines = [
        f"- Frames: {data.frames} of a clip, the middle one of each of {data.frames} equal parts, RGB.",
        f"- Pixels: the middle square of a frame, resized to {data.size} x {data.size}; values in [0, 1], then less "
        f"{list(mean)}, divided by {list(std)}.",
    ]
    if loaded.system.tokens:
        lines.append(
            f"- Texts: at most {loaded.system.tokens.longest} tokens of the tokenizer in this folder"
            + (', such as "opens the door": narrations without `#C C`.' if isinstance(step, int) else ".")
        )
    return "\n".join(lines)


def _figures(facts: RunFacts) -> str:
    if not facts.figures:
        return ""
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.figures.items())
    return f"## Figures\n\n| figure | value |\n|---|---|\n{rows}"


def _data(facts: RunFacts) -> str:
    if not facts.shards:
        return ""
    keys = ("folder", "clips", "profile", "classes", "plan")
    rows = "\n".join("| " + " | ".join(one.get(key) or "not at hand" for key in keys) + " |" for one in facts.shards)
    return f"## Learned from\n\n| shards | clips | profile | tags | plan |\n|---|---|---|---|---|\n{rows}"


def _settings(config: TrainConfig, facts: RunFacts) -> str:
    optimizer, lines = config.optimizer, []
    if facts.shards:
        lines = [
            f"- {config.epochs} epochs of batches of {config.batch_size}"
            + (f", at most {config.max_steps:,} steps" if config.max_steps else ""),
            f"- {optimizer.kind}, learning rate {optimizer.lr:g}, {optimizer.schedule}, weight decay "
            f"{optimizer.weight_decay:g}, seed {config.data.seed}",
        ]
    packages = facts.start.get("packages")
    if isinstance(packages, dict) and packages.get("torch"):
        devices = facts.start.get("devices")
        named = ", ".join(f"{count} x {name}" for name, count in devices.items()) if isinstance(devices, dict) else ""
        lines.append(f"- torch {packages['torch']}, {named}, {facts.start.get('precision', '')}".rstrip(", "))
    lines.append(f"- Every setting is in `{SAVED_MODEL}`; written by EgoCurate {__version__}.")
    return "## How\n\n" + "\n".join(lines)
