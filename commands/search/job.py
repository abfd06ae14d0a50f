"""Search videos by words: bring the index up to date, answer the texts, and show what was found."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from egocurate.commands.search.page import write_page
from egocurate.commands.search.server import Found, SearchServer
from egocurate.commands.search.sheet import Answer, write_sheet
from egocurate.commands.search.stretch import clock, show_stretches
from egocurate.console import progress
from egocurate.curation.text.as_narrated import as_asked
from egocurate.errors import InputError
from egocurate.loaders.videos.long_videos import find_videos
from egocurate.loaders.workers.choose_workers import with_workers
from egocurate.progress import Report
from egocurate.storage.atomic import write_json
from egocurate.text_choices import TextForm
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import single_rank
from egocurate.training.localization.query_head import ReadText, open_head
from egocurate.training.run.model_source import Loaded, ModelSource
from egocurate.training.search.add_videos import Added, WindowSettings, add_videos
from egocurate.training.search.index_folder import check_claim, window_of
from egocurate.training.search.localize_hits import HitLocalizer
from egocurate.training.search.search_index import SearchIndex
from egocurate.training.tasks.embed import Embedder
from egocurate.training.tasks.eval_batch import clips_at_once
from egocurate.training.tasks.video_chunks import CLIPS_IN_CHUNK

NAMED = 20  # of the bad videos, so many are named


@dataclass(frozen=True)
class SearchJob:
    """A model, its index and the videos that go into it (None: none), the texts, and what is made of the answers."""

    source: ModelSource
    changes: list[str]
    index: Path
    videos: Path | None
    window_sec: float | None
    stride_sec: float | None
    texts: Sequence[str]
    top: int
    json: Path | None = None
    sheet: Path | None = None
    page: Path | None = None
    serve: bool = False
    port: int = 0
    nlq: Path | None = None
    """a run of `curate nlq` that tells where hits begin and end"""


def run_search(job: SearchJob) -> bool:
    """Do a job of searching; returns whether all its videos could be read. Raises InputError for a user's mistake."""
    config = job.source.read(job.changes)
    config = replace(config, data=with_workers(config.data, CLIPS_IN_CHUNK))
    paths = {} if job.videos is None else find_videos(job.videos)
    localizer = _localizer(job)
    ranks = single_rank(config)
    with ranks.ends, progress() as report:
        loaded = job.source.load(config, ranks)
        if not loaded.system.embedding:
            raise InputError(
                f"{job.source.where}: {config.system} has no text tower to search with; take another model"
            )
        embedder = Embedder(loaded.system, ranks, config.data.workers, clips_at_once(config, loaded.system, ranks))
        added = _update(job, paths, config, loaded, embedder, report)
    _say_bad(paths, added.bad)
    index = SearchIndex.open(job.index)
    about = f"{len(index):,} windows of {len(index.videos):,} video{'' if len(index.videos) == 1 else 's'}"
    print(f"{about} in {job.index}" + (f" ({added.embedded:,} embedded now)" if added.embedded else ""), flush=True)

    find = _finder(index, embedder, job.top, config.data.text, localizer)
    found = {text: find(text) for text in job.texts}
    for reason in localizer.bad.values() if localizer else ():
        print(f"not localized: {reason}", file=sys.stderr)
    _print(found)
    _write(job, found, about)
    if job.serve:
        _serve(SearchServer(find, f"{about}.", job.port))
    return not added.bad


def _update(
    job: SearchJob, paths: dict[str, Path], config: TrainConfig, loaded: Loaded, embedder: Embedder, report: Report
) -> Added:
    """Embed the videos that the index has not, if some are named; else only see that it is one of this model."""
    made_by = {
        "run": job.source.where,
        "weights": loaded.digest,
        **loaded.origin,
        "bf16": embedder.ranks.bf16,
        "frames": config.data.frames,
        "size": config.data.size,
    }
    if not paths:
        check_claim(job.index, made_by)
        return Added(0, 0, {})
    window_sec, stride_sec = window_of(job.index)
    window_sec = job.window_sec or window_sec
    settings = WindowSettings(
        config.data.frames, config.data.size, window_sec, job.stride_sec or min(stride_sec, window_sec)
    )
    return add_videos(job.index, paths, settings, made_by, embedder, report)


def _localizer(job: SearchJob) -> HitLocalizer | None:
    """Return what gives hits their ends; raises InputError for a run whose questions another model has read."""
    if job.nlq is None:
        return None
    head = open_head(job.nlq)
    others = sorted(head.read_by - {job.source.where})
    if others:
        raise InputError(f"--nlq {job.nlq}: its questions are read by {' and '.join(others)}: search with that model")
    return HitLocalizer(head)


def _finder(
    index: SearchIndex, embedder: Embedder, top: int, form: TextForm, localizer: HitLocalizer | None
) -> Callable[[str], Found]:
    """Return what searches for a text, in the words and the form of the narrations that the model has read."""

    def find(text: str) -> Found:
        asked = as_asked(text, form)
        if not asked:
            return Found("", [])
        embedded = embedder.texts([asked])
        hits = index.search(embedded, top)[0]
        if localizer:
            tokens = embedder.tokens([asked])[0].cpu() if localizer.reads_tokens else None
            hits = localizer.localize(ReadText(asked, embedded[0].cpu(), tokens), hits)
        return Found(asked, hits)

    return find


def _print(found: dict[str, Found]) -> None:
    for text, (asked, hits) in found.items():
        print(f"\n{text}" + (f"  (as “{asked}”)" if asked != text else ""))
        for place, hit in enumerate(hits, 1):
            times = f"{clock(hit.start_sec)} to {clock(hit.end_sec)}"
            print(f"  {place:>3}  {hit.score:5.2f}  {times:<22}  {hit.video}")


def _write(job: SearchJob, found: dict[str, Found], about: str) -> None:
    """Write the files that are asked for, each whole or not at all."""
    answers = [Answer(text, hits) for text, (_, hits) in found.items()]
    if job.json:
        queries = [
            {"text": text, "searched_as": asked, "hits": [asdict(hit) for hit in hits]}
            for text, (asked, hits) in found.items()
        ]
        write_json(job.json, {"index": str(job.index), "model": job.source.where, "queries": queries})
    if job.sheet or job.page:
        shown = show_stretches(hit for answer in answers for hit in answer.hits)
        if job.sheet:
            write_sheet(job.sheet, answers, shown)
        if job.page:
            write_page(job.page, answers, shown, f"{about}.")
    written = [str(path) for path in (job.json, job.sheet, job.page) if path]
    if written:
        print(f"\nwritten: {', '.join(written)}", flush=True)


def _serve(server: SearchServer) -> None:
    print(f"\nopen {server.url}\nCtrl-C ends it", flush=True)
    with server:
        server.serve_forever()


def _say_bad(paths: dict[str, Path], bad: dict[str, str]) -> None:
    for name in list(bad)[:NAMED]:
        print(f"bad: {paths[name]} ({bad[name]})", file=sys.stderr)
    if len(bad) > NAMED:
        print(f"and {len(bad) - NAMED:,} more bad ones", file=sys.stderr)
