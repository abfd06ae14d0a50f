"""The EgoClip that EgoMCQ is the test of: the questions' clips have its classes, and windows of its pace."""

from __future__ import annotations

from dataclasses import dataclass

from egocurate.commands.output.run_record import read_run
from egocurate.curation.clips.egoclip import BUILT, LEXICON, LEXICON_FILES, lexicon_digest
from egocurate.curation.clips.read_clips import find_clips
from egocurate.curation.text.taxonomy import load_lexicon
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath


@dataclass(frozen=True)
class GivenEgoClip:
    """The EgoClip whose test EgoMCQ is to be: its table, and what its folder says of how it was made.

    `lexicon` is the folder of its classes, `built` tells whether they were built from the narrations, `alpha` and
    `mean_gap_sec` are the numbers of its windows; None for what nothing there tells, as beside the published csv.
    """

    table: AnyPath
    lexicon: AnyPath | None
    built: bool
    alpha: float | None
    mean_gap_sec: float | None


def find_egoclip(given: AnyPath | None, out: AnyPath) -> GivenEgoClip | None:
    """Return the EgoClip at `given`, else the one in `out`, None if there is none.

    Raises InputError if it is not there, or has lost its table or its lexicon.
    """
    if given is None and not (out / "egoclip.parquet").exists() and read_run(out, "egoclip") is None:
        return None
    table = find_clips(out if given is None else given)
    record = read_run(table.parent, "egoclip") if table.name in ("egoclip.parquet", "egoclip.csv") else None
    lexicon = table.parent / LEXICON
    if not lexicon.exists():
        if record:
            raise InputError(f"{lexicon} is gone: the `curate egoclip` that wrote it brings it back")
        lexicon = None
    beta = record["counts"].get("beta", {}) if record else {}
    built = bool(record) and record["inputs"].get("lexicon") == BUILT
    return GivenEgoClip(table, lexicon, built, beta.get("alpha"), beta.get("mean"))


def lexicon_beside(egoclip: GivenEgoClip | None, asked: str) -> str:
    """Return the lexicon that EgoMCQ counts in, as `open_lexicon` takes it: that of its EgoClip, else `asked`.

    Raises InputError if another one is asked for than EgoClip has.
    """
    if egoclip is None or egoclip.lexicon is None:
        return asked
    same = asked == "auto" or (
        egoclip.built if asked == "wordnet" else load_lexicon(asked) == load_lexicon(egoclip.lexicon)
    )
    if not same:
        raise InputError(
            f"--lexicon {asked}: the EgoClip in {egoclip.table.parent} counts in other classes, those of "
            f"{egoclip.lexicon}; leave --lexicon out to take them, or make that EgoClip with this lexicon"
        )
    return str(egoclip.lexicon)


def refuse_other_lexicon(out: AnyPath, other_verb: str, lexicon: str) -> None:
    """Raise InputError if `out` holds a run of the other verb with other classes than `lexicon`, a `lexicon_input`."""
    record = read_run(out, other_verb)
    if record is None or record["inputs"].get("lexicon") in (None, lexicon):
        return
    there = all((out / name).exists() for name in LEXICON_FILES)
    if not there or lexicon_digest(load_lexicon(out / LEXICON)) != lexicon:
        raise InputError(
            f"{out} holds a run of `curate {other_verb}` that counts in other classes, those of {out / LEXICON}: "
            "give both the same --lexicon, or name another --out"
        )
