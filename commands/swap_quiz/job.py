"""`curate swap-quiz`: which text is right of a clip, asked about the clips of an EgoMCQ."""

from __future__ import annotations

from dataclasses import asdict

import pyarrow as pa

from egocurate.clip_table import CLIP_SCHEMA
from egocurate.commands.jobs.cutting import Outcome
from egocurate.commands.jobs.given_egoclip import find_egoclip
from egocurate.commands.output.run_record import locked_run
from egocurate.curation.clips.egoclip import LEXICON, lexicon_digest
from egocurate.curation.clips.read_clips import read_clips
from egocurate.curation.config import TextNegativesConfig
from egocurate.curation.text.taxonomy import load_lexicon
from egocurate.curation.text_negatives.quiz import build_swap_quiz, write_swap_quiz
from egocurate.errors import InputError
from egocurate.progress import Report
from egocurate.questions import CLIPS_FILE
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.paths import AnyPath
from egocurate.storage.typed_parquet import read_typed
from egocurate.swap_quiz import SWAP_QUIZ_FILE

VERB = "swap-quiz"


def run_swap_quiz(egomcq: AnyPath, egoclip: AnyPath | None, config: TextNegativesConfig, report: Report) -> Outcome:
    """Write swap_quiz.json beside the egomcq.json of a folder, about the same clips.

    `egoclip` is the table that a model is trained on, in whose words swaps are made (None: the one in that folder, or
    the questions' clips alone). Raises InputError where there is no EgoMCQ, and if no clip has enough swaps.
    """
    path = egomcq / CLIPS_FILE
    if not path.exists():
        raise InputError(f"{path}: not there; name the folder in which `curate egomcq` has written")
    given, lexicon = find_egoclip(egoclip, egomcq), load_lexicon(egomcq / LEXICON)
    inputs = {"clips": fingerprint(path), "lexicon": lexicon_digest(lexicon)}
    inputs |= {"egoclip": fingerprint(given.table)} if given else {}
    with locked_run(egomcq, VERB, asdict(config), inputs) as run:
        summary: dict[str, object] = {"quiz": "already there, unchanged"} if run.done else {}
        if not run.done:
            spoken = read_clips(given.table)["clip_text"] if given else pa.chunked_array([], pa.string())
            quiz = build_swap_quiz(
                read_typed(path, CLIP_SCHEMA), spoken.cast(pa.large_string()).combine_chunks(), lexicon, config, report
            )
            if not quiz.entries:
                raise InputError(
                    f"{path}: none of its {quiz.left_out:,} clips has {config.per_clip} swaps of its verb and as "
                    "many of its noun; ask for fewer with --swaps, or name more narrations with --egoclip"
                )
            counts = {"questions": len(quiz.entries), "left_out": quiz.left_out, "swaps": config.per_clip}
            run.finish(counts, write_swap_quiz(quiz, egomcq))
        return Outcome(summary | dict(run.counts or {}) | {"out": str(egomcq / SWAP_QUIZ_FILE)})
