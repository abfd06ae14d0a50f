"""Read a shard folder by its index: any sample, in any order, without scanning a tar."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from egocurate.errors import InputError
from egocurate.shards.read.open_files import OpenFiles
from egocurate.shards.read.shard_cache import ShardCache, StoredShard
from egocurate.shards.shard_format import INDEX_FILE, INDEX_SCHEMA, MP4, member_suffixes
from egocurate.shards.write.shard_folder import read_manifest
from egocurate.storage.mapped_columns import MappedColumns, cache_folder
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import AnyPath, as_path, is_remote

TEXT_COLUMNS = ("key", "clip_text", "text")
REPEATED_TEXT_COLUMNS = ("video_uid", "narration_source")
NUMBER_COLUMNS = ("narration_ind", "narration_time", "clip_start", "clip_end", "clip_idx", "frame_count", "fps")
LIST_COLUMNS = ("tag_verb", "tag_noun", "negatives")
MAPPED_FROM = 200_000  # samples; smaller indexes are read in a moment

_Csr = tuple[np.ndarray, np.ndarray]  # (values, offsets): row i of a list column is values[offsets[i] : offsets[i + 1]]


@dataclass(frozen=True)
class Sample:
    """One row of the index; spans are (offset, size) in bytes of each member's content in the tar, json first."""

    sample: int
    key: str
    shard_path: AnyPath
    spans: list[tuple[int, int]]
    video_uid: str
    clip_text: str
    text: str
    tag_verb: np.ndarray
    tag_noun: np.ndarray
    negatives: np.ndarray
    frame_count: int
    fps: float
    clip_start: float
    clip_end: float
    narration_source: str
    narration_ind: int
    narration_time: float
    clip_idx: int
    neighbourhood: int

    @property
    def json_span(self) -> tuple[int, int]:
        """Where the text member stands."""
        return self.spans[0]

    @property
    def video_span(self) -> tuple[int, int]:
        """Where the mp4, or the picture of the first frame, stands."""
        return self.spans[1]


class ShardIndex:
    """The samples of a finished shard folder; columns lie in memory that all processes of the machine share.

    `shard` int32[N], `neighbourhood` int64[N]. A sample's members are its json, then its mp4 or the picture of each of
    its frames (`members` says which). A pickle holds the path and the cache alone and opens the folder again.
    """

    def __init__(
        self, folder: AnyPath, manifest: dict, read: Callable[[str], pa.Array], cache: ShardCache | None = None
    ) -> None:
        """Use `ShardIndex.open`."""
        self.folder, self.manifest, self._column, self.cache = folder, manifest, read, cache
        self.shard: np.ndarray = _numpy(read("shard"))
        self.neighbourhood: np.ndarray = _numpy(read("neighbourhood"))
        self._offsets, self._sizes = _csr(read("offsets")), _csr(read("sizes"))
        self._numbers = {name: _numpy(read(name)) for name in NUMBER_COLUMNS}
        self._texts = {name: read(name) for name in (*TEXT_COLUMNS, *REPEATED_TEXT_COLUMNS)}
        self._lists = {name: _csr(read(name)) for name in LIST_COLUMNS}
        self._paths = [folder / entry["file"] for entry in manifest["shards"]]
        self._files = OpenFiles()
        self._fetched_again: set[int] = set()

    @classmethod
    def open(cls, folder: str | AnyPath, cache: ShardCache | None = None) -> "ShardIndex":
        """Open a finished shard folder; raises InputError if it is none, or was written by another version.

        Of a large index each column is copied once to the user's cache and mapped from there. Shards of a store are
        read through `cache`, if there is one; those of this machine where they are.
        """
        folder = as_path(folder)
        manifest = read_manifest(folder)
        path = folder / INDEX_FILE

        try:
            index = cls(folder, manifest, _column_reader(path, manifest), cache if is_remote(folder) else None)
        except (OSError, KeyError, pa.ArrowException) as error:
            first_line = str(error).partition("\n")[0]
            raise InputError(f"{path} cannot be read ({first_line}): write the shards again") from error
        if len(index) != manifest["samples"]:
            raise InputError(f"{path} has {len(index)} samples, the manifest {manifest['samples']}: write it again")
        return index

    def __reduce__(self) -> tuple:
        """Pickle as the path."""
        return ShardIndex.open, (self.folder, self.cache)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.shard)

    def __repr__(self) -> str:
        """Show where and how much."""
        return f"ShardIndex({str(self.folder)!r}, {len(self)} samples in {len(self._paths)} shards)"

    @property
    def frame_count(self) -> np.ndarray:
        """Frames stored of each sample, int32[N]."""
        return self._numbers["frame_count"]

    @property
    def members(self) -> str:
        """What a clip is stored as: `mp4` one video, `jpg` or `webp` a picture for each frame."""
        return self.manifest["profile"].get("members", MP4)

    def member_names(self, sample: int) -> list[str]:
        """Return the file names of a sample's members in its tar."""
        count = int(self.frame_count[self._checked(sample)])
        return [f"{self.key(sample)}.{suffix}" for suffix in member_suffixes(self.members, count)]

    def spans(self, sample: int) -> list[tuple[int, int]]:
        """Return (offset, size) in bytes of each member's content in the tar, json first."""
        i = self._checked(sample)
        return list(zip(_row(self._offsets, i).tolist(), _row(self._sizes, i).tolist(), strict=True))

    def crc32(self, sample: int) -> list[int]:
        """Return the checksum of each member's content."""
        return _row(self._crc32, self._checked(sample)).tolist()

    @cached_property
    def _crc32(self) -> _Csr:
        return _csr(self._column("crc32"))

    @property
    def num_verbs(self) -> int:
        """Number of verb classes."""
        return self.manifest["num_verbs"]

    @property
    def num_nouns(self) -> int:
        """Number of noun classes."""
        return self.manifest["num_nouns"]

    @property
    def lexicon(self) -> str:
        """Digest of what the classes are called; "" where that is not known."""
        return self.manifest.get("lexicon", "")

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the plan and of every shard's bytes."""
        hashes = [self.manifest["plan"], *(entry["sha256"] for entry in self.manifest["shards"])]
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    def row(self, sample: int) -> Sample:
        """Return all that is known of a sample; raises IndexError beyond the last."""
        i = self._checked(sample)
        texts = {name: column[i].as_py() for name, column in self._texts.items()}
        lists = {name: _row(lists, i) for name, lists in self._lists.items()}
        numbers = {name: column[i].item() for name, column in self._numbers.items()}
        return Sample(
            sample=i,
            shard_path=self._paths[self.shard[i]],
            spans=self.spans(i),
            neighbourhood=int(self.neighbourhood[i]),
            **texts,
            **lists,
            **numbers,
        )

    def key(self, sample: int) -> str:
        """Return the name of a sample."""
        return self._texts["key"][self._checked(sample)].as_py()

    def negatives(self, sample: int) -> np.ndarray:
        """Return the samples int64[K] that are a sample's hard negatives, nearest first."""
        return _row(self._lists["negatives"], self._checked(sample))

    def read_video(self, sample: int) -> bytes:
        """Return a sample's mp4; raises InputError if the shard is gone or shorter than the index says.

        Raises InputError too if the clips are stored as pictures: `read_members` reads those.
        """
        if self.members != MP4:
            raise InputError(f"{self.folder} holds {self.members} pictures, not mp4 videos: read the frames one by one")
        return self.read_members(sample, [1])[0]

    def read_json(self, sample: int) -> bytes:
        """Return a sample's json member; raises InputError as `read_video`."""
        return self.read_members(sample, [0])[0]

    def read_members(self, sample: int, numbers: Sequence[int]) -> list[bytes]:
        """Return members of a sample by number (0 the json, 1 the mp4 or frame 0, ...), reading no other bytes.

        Raises IndexError for a number that it does not have, and InputError as `read_video`.
        """
        spans = self.spans(sample)
        if len(numbers) and not 0 <= min(numbers) <= max(numbers) < len(spans):
            raise IndexError(f"members {list(numbers)} are not among the {len(spans)} of sample {sample}")
        return [self._read(sample, *spans[number]) for number in numbers]

    def stored(self, shard: int) -> StoredShard:
        """Return a shard as a cache knows it."""
        entry = self.manifest["shards"][shard]
        return StoredShard(self._paths[shard], entry["sha256"], entry["bytes"])

    def fetch_again(self, sample: int) -> bool:
        """Let the next read fetch a sample's shard anew, as its copy is damaged; False if there is none, or twice."""
        shard = int(self.shard[sample])
        if self.cache is None or shard in self._fetched_again:
            return False
        self._fetched_again.add(shard)
        self.cache.drop(self.stored(shard))
        return True

    def find(self, key: str) -> int:
        """Return the sample of a key; raises InputError for a key that is not there."""
        if key not in self._sample_of:
            raise InputError(f"{self.folder} has no clip {key!r}")
        return self._sample_of[key]

    @cached_property
    def _sample_of(self) -> dict[str, int]:
        return {key: i for i, key in enumerate(self._texts["key"].to_pylist())}

    def _read(self, sample: int, offset: int, size: int) -> bytes:
        shard = int(self.shard[sample])
        path = self._paths[shard]
        try:
            data = self.cache.read(self.stored(shard), size, offset) if self.cache else None
            if data is None:
                data = self._files.read(path, size, offset)
        except FileNotFoundError as error:
            raise InputError(f"{path} is not there: write the shards again, only what is missing is cut") from error
        if len(data) != size and self.fetch_again(sample):
            return self._read(sample, offset, size)
        if len(data) != size:
            raise InputError(f"{path} ends before sample {sample}: delete it and write the shards again")
        return data

    def _checked(self, sample: int) -> int:
        if not 0 <= sample < len(self):
            raise IndexError(f"sample {sample} is not among the {len(self)} of {self.folder}")
        return int(sample)


def _column_reader(path: AnyPath, manifest: dict) -> Callable[[str], pa.Array]:
    """Return what gives a column of an index by name: out of a table in memory, or mapped if the index is large."""
    if manifest["samples"] < MAPPED_FROM:
        table = read_parquet(path)
        return lambda name: _as_kept(table[name], name)
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    mapped = MappedColumns(cache_folder() / "index" / digest[:32])
    # Column by column: the whole table next to what is made of it would take twice the memory.
    return lambda name: mapped.open(name, lambda: _as_kept(read_parquet(path, [name])[name], name))


def _as_kept(column: pa.ChunkedArray, name: str) -> pa.Array:
    array = column.cast(INDEX_SCHEMA.field(name).type).combine_chunks()
    return array.dictionary_encode() if name in REPEATED_TEXT_COLUMNS else array


def _csr(lists: pa.ListArray) -> _Csr:
    return _numpy(lists.values), _numpy(lists.offsets)


def _numpy(column: pa.Array) -> np.ndarray:
    """Return a column of numbers without copying it; `to_numpy` would import pandas, if it is there."""
    return np.from_dlpack(column)


def _row(lists: _Csr, i: int) -> np.ndarray:
    values, offsets = lists
    return values[offsets[i] : offsets[i + 1]]
