"""`curate adopt`: an index over tars of others."""

from __future__ import annotations

from collections.abc import Sequence

from egocurate.commands.jobs.cutting import Outcome
from egocurate.curation.text.marks import normalize
from egocurate.progress import Report
from egocurate.shards.adopt.adopt import AdoptJob, adopt
from egocurate.shards.shard_format import FAILED_FILE
from egocurate.storage.paths import AnyPath


def run_adopt(tars: Sequence[AnyPath], out: AnyPath, video: str, text: str, report: Report) -> Outcome:
    """Index tars in `out`; samples that are left out are counted by reason, and make the outcome incomplete."""
    done = adopt(AdoptJob(tars, out, normalize, video, text), report)
    summary: dict[str, object] = {"tars": done.tars, "samples": done.samples, "megabytes": done.bytes / 1e6}
    summary |= {"video": done.video, "text": done.text or "none"}
    if not done.new_tars:
        summary["index"] = "already there, unchanged"
    elif done.new_tars < done.tars:
        summary |= {"new_tars": done.new_tars, "new_samples": done.new_samples}
    if done.uneven:
        summary["uneven_frame_rate"] = done.uneven
    if done.left_out:
        summary |= {"left_out": done.left_out, "left_out_list": str(out / FAILED_FILE)}
    return Outcome(summary | {"out": str(out)}, not done.left_out, not done.new_tars)
