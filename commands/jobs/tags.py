"""`curate lexicon` and `curate tag`: one lexicon for several sources, and the classes of it for shards that are cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from egocurate.commands.jobs.cutting import Outcome
from egocurate.commands.output.output_folder import find_shard_folders
from egocurate.commands.output.run_record import locked_run
from egocurate.curation.clips.read_clips import find_clips, read_classes, read_clips
from egocurate.curation.lexicon.induce import build_lexicon
from egocurate.curation.text.marks import clean_text
from egocurate.curation.text.tag_table import tag_distinct, tagging_digest
from egocurate.curation.text.taxonomy import NOUN_FILE, VERB_FILE, load_lexicon, write_lexicon
from egocurate.errors import InputError
from egocurate.progress import Report
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.tag_file import check_tags_name, read_tag_note
from egocurate.shards.shard_format import MANIFEST_FILE
from egocurate.shards.write.shard_folder import locked_folder
from egocurate.shards.write.write_tags import write_tags
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.paths import AnyPath

STAGE = "reading texts"


def run_lexicon(sources: Sequence[AnyPath], out: AnyPath, report: Report) -> Outcome:
    """Build one lexicon over the texts of clip tables and shard folders, in `out`; their order does not matter."""
    with locked_run(out, "lexicon", {}, _inputs(sources)) as run:
        summary: dict[str, object] = {"lexicon": "already there, unchanged"} if run.done else {}
        if not run.done:
            texts: set[str] = set()
            for number, source in enumerate(sources):
                report(STAGE, number, len(sources))
                texts.update(map(clean_text, _distinct(_texts(source))))
            report(STAGE, len(sources), len(sources))
            lexicon = build_lexicon(sorted(texts - {""}))
            write_lexicon(lexicon, out)
            counts = {"texts": len(texts), "verbs": len(lexicon.verbs), "nouns": len(lexicon.nouns)}
            run.finish(counts, [VERB_FILE, NOUN_FILE])
        return Outcome(summary | dict(run.counts or {}) | {"out": str(out)}, unchanged=bool(summary))


def run_tag(place: AnyPath, lexicon_folder: AnyPath, name: str, report: Report) -> Outcome:
    """Tag the clips of a shard folder, or of those in an output folder, with the classes of a lexicon.

    `name` is that of the tags, "" for that of the lexicon's folder. Raises InputError where tags of that name are of
    another lexicon, or there is no text to tag.
    """
    name = name or lexicon_folder.name
    check_tags_name(name)
    lexicon, classes = load_lexicon(lexicon_folder), read_classes(lexicon_folder)
    by = tagging_digest(lexicon).decode()
    summary: dict[str, object] = {"verbs": classes.verbs, "nouns": classes.nouns}
    counts: Counter[str] = Counter()
    unchanged = True
    for folder in find_shard_folders(place):
        with locked_folder(folder):
            index = ShardIndex.open(folder)
            there = read_tag_note(folder, name)
            if there is not None and there.lexicon != classes.lexicon:
                raise InputError(
                    f"{folder} has tags {name!r} of another lexicon: give these another --name, or delete tags-{name}.*"
                )
            is_there = there is not None and (there.index, there.tagged_with) == (index.index_fingerprint, by)
            if not is_there:
                unchanged = False
                tags = tag_distinct(_tagged_texts(index), lexicon, report)
                write_tags(index, name, tags, (classes.verbs, classes.nouns), classes.lexicon, by)
        counts.update(_found(folder, name))
    state = {"tags": "already there, unchanged"} if unchanged else {}
    return Outcome(summary | dict(counts) | state | {"to_use_them": f"--set data.tags={name}"}, unchanged=unchanged)


def _found(folder: AnyPath, name: str) -> dict[str, int]:
    """Return how many clips of a folder there are, and have a verb and a noun by some tags."""
    index = ShardIndex.open(folder, tags=name)
    return {"clips": len(index), "with_verb": index.tagged("tag_verb"), "with_noun": index.tagged("tag_noun")}


def _tagged_texts(index: ShardIndex) -> pa.Array:
    texts = index.texts("raw")
    if not len(texts) or not pc.any(pc.not_equal(texts, "")).as_py():
        raise InputError(f"{index.folder}: its clips have no text to tag")
    return texts


def _inputs(sources: Sequence[AnyPath]) -> dict[str, str]:
    """Return the digest of each source by its name, with a number where several have it, in whatever order they are."""
    inputs: dict[str, str] = {}
    for name, digest in sorted((source.name or str(source), _digest(source)) for source in sources):
        same = sum(known == f"source {name}" or known.startswith(f"source {name} (") for known in inputs)
        inputs[f"source {name} ({same + 1})" if same else f"source {name}"] = digest
    return inputs


def _digest(source: AnyPath) -> str:
    if (source / MANIFEST_FILE).exists():
        return ShardIndex.open(source).index_fingerprint
    return fingerprint(find_clips(source))


def _texts(source: AnyPath) -> pa.Array | pa.ChunkedArray:
    if (source / MANIFEST_FILE).exists():
        return ShardIndex.open(source).texts("raw")
    return read_clips(source)["clip_text"]


def _distinct(texts: pa.Array | pa.ChunkedArray) -> list[str]:
    return pc.unique(texts).to_pylist()
