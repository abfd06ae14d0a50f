"""Read a shard folder by its index: any sample, in any order, without scanning a tar."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shards.errors import InputError
from shards.folder import read_manifest
from shards.reading import OpenFiles
from shards.schema import INDEX_FILE, INDEX_SCHEMA

TEXT_COLUMNS = ("key", "clip_text", "text")
REPEATED_TEXT_COLUMNS = ("video_uid", "narration_source")
NUMBER_COLUMNS = ("narration_ind", "narration_time", "clip_start", "clip_end", "clip_idx", "frame_count", "fps")
LIST_COLUMNS = ("tag_verb", "tag_noun", "negatives")


@dataclass(frozen=True)
class Sample:
    """One row of the index; spans are (offset, size) of the member's content in the tar, in bytes."""

    sample: int
    key: str
    shard_path: Path
    json_span: tuple[int, int]
    video_span: tuple[int, int]
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


class ShardIndex:
    """The samples of a finished shard folder; numbers lie in numpy arrays that forked workers share.

    `shard` int32[N], `neighbourhood` int64[N], `offsets` and `sizes` int64[N, 2] (json, video). A pickle holds the path
    alone and opens the folder again.
    """

    def __init__(self, folder: Path, manifest: dict, index: pq.ParquetFile) -> None:
        """Use `ShardIndex.open`."""
        self.folder, self.manifest = folder, manifest

        # Column by column: the whole table next to what is made of it would take twice the memory.
        def read(name: str) -> pa.ChunkedArray:
            return index.read(columns=[name])[name].cast(INDEX_SCHEMA.field(name).type)

        self.shard: np.ndarray = read("shard").to_numpy()
        self.neighbourhood: np.ndarray = read("neighbourhood").to_numpy()
        self.offsets, self.sizes = _pairs(read("offsets")), _pairs(read("sizes"))
        self._numbers = {name: read(name).to_numpy() for name in NUMBER_COLUMNS}
        self._texts = {name: read(name).combine_chunks() for name in TEXT_COLUMNS}
        self._texts |= {name: read(name).dictionary_encode().combine_chunks() for name in REPEATED_TEXT_COLUMNS}
        self._lists = {name: _csr(read(name)) for name in LIST_COLUMNS}
        self._paths = [folder / entry["file"] for entry in manifest["shards"]]
        self._files = OpenFiles()

    @classmethod
    def open(cls, folder: str | Path) -> "ShardIndex":
        """Open a finished shard folder; raises InputError if it is none, or was written by another version."""
        folder = Path(folder)
        manifest = read_manifest(folder)
        path = folder / INDEX_FILE
        try:
            with pq.ParquetFile(path) as file:
                index = cls(folder, manifest, file)
        except (OSError, KeyError, pa.ArrowException) as error:
            first_line = str(error).partition("\n")[0]
            raise InputError(f"{path} cannot be read ({first_line}): write the shards again") from error
        if len(index) != manifest["samples"]:
            raise InputError(f"{path} has {len(index)} samples, the manifest {manifest['samples']}: write it again")
        return index

    def __reduce__(self) -> tuple:
        """Pickle as the path."""
        return ShardIndex.open, (self.folder,)

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

    @cached_property
    def crc32(self) -> np.ndarray:
        """Checksums int64[N, 2] of each sample's json and video."""
        return _pairs(pq.read_table(self.folder / INDEX_FILE, columns=["crc32"])["crc32"])

    @property
    def num_verbs(self) -> int:
        """Number of verb classes."""
        return self.manifest["num_verbs"]

    @property
    def num_nouns(self) -> int:
        """Number of noun classes."""
        return self.manifest["num_nouns"]

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the plan and of every shard's bytes."""
        hashes = [self.manifest["plan"], *(entry["sha256"] for entry in self.manifest["shards"])]
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    def row(self, sample: int) -> Sample:
        """Return all that is known of a sample; raises IndexError beyond the last."""
        i = self._checked(sample)
        texts = {name: column[i].as_py() for name, column in self._texts.items()}
        lists = {name: values[bounds[i] : bounds[i + 1]] for name, (values, bounds) in self._lists.items()}
        numbers = {name: column[i].item() for name, column in self._numbers.items()}
        spans = [(int(offset), int(size)) for offset, size in zip(self.offsets[i], self.sizes[i], strict=True)]
        return Sample(
            sample=i,
            shard_path=self._paths[self.shard[i]],
            json_span=spans[0],
            video_span=spans[1],
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
        values, bounds = self._lists["negatives"]
        i = self._checked(sample)
        return values[bounds[i] : bounds[i + 1]]

    def read_video(self, sample: int) -> bytes:
        """Return a sample's mp4; raises InputError if the shard is gone or shorter than the index says."""
        return self._read(sample, 1)

    def read_json(self, sample: int) -> bytes:
        """Return a sample's json member; raises InputError as `read_video`."""
        return self._read(sample, 0)

    def find(self, key: str) -> int:
        """Return the sample of a key; raises InputError for a key that is not there."""
        if key not in self._sample_of:
            raise InputError(f"{self.folder} has no clip {key!r}")
        return self._sample_of[key]

    @cached_property
    def _sample_of(self) -> dict[str, int]:
        return {key: i for i, key in enumerate(self._texts["key"].to_pylist())}

    def _read(self, sample: int, member: int) -> bytes:
        i = self._checked(sample)
        path, size = self._paths[self.shard[i]], int(self.sizes[i, member])
        try:
            data = self._files.read(path, size, int(self.offsets[i, member]))
        except FileNotFoundError as error:
            raise InputError(f"{path} is not there: write the shards again, only what is missing is cut") from error
        if len(data) != size:
            raise InputError(f"{path} ends before sample {i}: delete it and write the shards again")
        return data

    def _checked(self, sample: int) -> int:
        if not 0 <= sample < len(self):
            raise IndexError(f"sample {sample} is not among the {len(self)} of {self.folder}")
        return int(sample)


def _pairs(column: pa.ChunkedArray) -> np.ndarray:
    return column.combine_chunks().flatten().to_numpy().reshape(-1, 2)


def _csr(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Return (values, offsets): row i of a list column is values[offsets[i] : offsets[i + 1]]."""
    lists = column.combine_chunks()
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
    return lists.flatten().to_numpy(), np.concatenate([[0], np.cumsum(lengths)])
