"""Which benchmarks are asked for: the annotations and the clips of each."""

from __future__ import annotations

from dataclasses import dataclass

from egocurate.training.tasks.zero_shot.video_retrieval import RetrievalTest


@dataclass(frozen=True)
class ZeroShotRequest:
    """Labeled shards whose classes are asked for by their names.

    `name` tells several apart, "" where there is one. `label` is the kind of label, "" for all that the shards have;
    `label_names` are as `curate segments --label-names` has them, `templates` is a file, "" for the model's own.
    """

    shards: str
    name: str = ""
    label: str = ""
    label_names: tuple[str, ...] = ()
    templates: str = ""
    views: int = 1

    @property
    def title(self) -> str:
        """How figures call it."""
        return f"zero-shot/{self.name}" if self.name else "zero-shot"


@dataclass(frozen=True)
class Benchmarks:
    """What is to be evaluated: annotations and clips of each benchmark, "" for one that is not asked for.

    `mcq_mode` is how EgoMCQ is answered, "all" for each way, "" for that of the run; `dual_softmax` asks for
    EPIC's figures after a dual softmax beside.
    """

    mcq_json: str = ""
    mcq_shards: str = ""
    mcq_mode: str = ""
    epic_retrieval: str = ""
    epic_shards: str = ""
    charades: str = ""
    charades_videos: str = ""
    zero_shot: tuple[ZeroShotRequest, ...] = ()
    retrieval: RetrievalTest | None = None
    dual_softmax: bool = False
    swap_quiz: str = ""
