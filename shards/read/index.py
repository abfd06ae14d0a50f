"""Read a shard folder by its index: any sample, in any order, without scanning a tar."""

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa

from egocurate.errors import InputError
from egocurate.labels import label_column
from egocurate.shards.adopt.adopted import ADOPTED, tar_folder
from egocurate.shards.manifest import read_manifest
from egocurate.shards.read.caption_columns import CaptionColumns
from egocurate.shards.read.index_columns import ListColumn, ReadColumn, lists, numbers
from egocurate.shards.read.open_index import open_columns
from egocurate.shards.read.sample import Sample
from egocurate.shards.read.shard_cache import ShardCache, StoredShard
from egocurate.shards.read.shard_reader import ShardReader, Span
from egocurate.shards.read.tag_file import TagNote, read_tags
from egocurate.shards.shard_format import INDEX_FILE, MP4, VIDEO_KINDS, member_suffixes
from egocurate.shards.write.parts import Part, parts_fingerprint
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.paths import AnyPath, as_path, is_remote
from egocurate.storage.redacted import redacted
from egocurate.text_choices import OWN_TAGS, TextForm
from egocurate.text_choices import TEXT_COLUMNS as TEXT_COLUMNS_OF_FORMS

TEXT_COLUMNS = ("key", "clip_text", "text", "video_uid", "narration_source")
NUMBER_COLUMNS = ("narration_ind", "narration_time", "clip_start", "clip_end", "clip_idx", "frame_count", "fps")
LIST_COLUMNS = ("tag_verb", "tag_noun", "negatives")


class ShardIndex:
    """The samples of a finished shard folder; columns lie in memory that all processes of the machine share.

    `shard` int32[N], `neighbourhood` int64[N]. A sample's members are its json, then its mp4 or the picture of each of
    its frames (`members` says which). A pickle holds the path and the cache alone and opens the folder again.
    """

    def __init__(self, folder: AnyPath, manifest: dict, read_column: ReadColumn, reader: ShardReader) -> None:
        """Use `ShardIndex.open`."""
        self.folder, self.manifest, self.reader, self._read_column = folder, manifest, reader, read_column
        self.tags = OWN_TAGS
        """name of the classes that its clips have"""
        self._tag_note: TagNote | None = None
        self.shard: np.ndarray = numbers(read_column("shard"))
        self.neighbourhood: np.ndarray = numbers(read_column("neighbourhood"))
        self._offsets, self._sizes = lists(read_column("offsets")), lists(read_column("sizes"))
        self._numbers = {name: numbers(read_column(name)) for name in NUMBER_COLUMNS}
        self._texts = {name: read_column(name) for name in TEXT_COLUMNS}
        self._lists = {name: lists(read_column(name)) for name in LIST_COLUMNS}
        self.labels: dict[str, np.ndarray] = {
            kind: numbers(read_column(label_column(kind))) for kind in self.label_names
        }
        """class numbers int32[N] of each kind of label, -1 where it is not known; empty without labels"""
        self.captions = CaptionColumns.read(read_column) if manifest.get("captions") else None
        """all captions of each sample, None where it has one, its text"""
        rows = {name: len(column.offsets) - 1 for name, column in self._lists.items()}
        rows |= {name: len(column) for name, column in (self._numbers | self._texts | self.labels).items()}
        if short := [name for name, count in rows.items() if count != len(self.shard)]:
            raise pa.ArrowInvalid(f"column {short[0]} has {rows[short[0]]} rows, column shard {len(self.shard)}")

    @classmethod
    def open(cls, folder: str | AnyPath, cache: ShardCache | None = None, tags: str = "") -> "ShardIndex":
        """Open a finished shard folder; raises InputError if it is none, or was written by another version.

        Shards of a store are read through `cache`, if there is one; those of this machine where they are. `tags` names
        classes that `curate tag` has written beside the index ("", "own": those of the index).
        """
        folder = as_path(folder)
        manifest = read_manifest(folder)
        path = folder / INDEX_FILE
        tars, is_own = tar_folder(folder, manifest), ADOPTED not in manifest
        try:
            shards = [
                StoredShard(tars / entry["file"], entry["sha256"], entry["bytes"], is_own)
                for entry in manifest["shards"]
            ]
            reader = ShardReader(shards, cache if is_remote(tars) else None)
            index = cls(folder, manifest, open_columns(path, manifest), reader)
        except (OSError, KeyError, UnicodeDecodeError, pa.ArrowException) as error:
            first_line = str(error).partition("\n")[0]
            raise InputError(f"{path} cannot be read ({first_line}): write the shards again") from error
        if tags not in ("", OWN_TAGS):
            index.take_tags(tags)
        return index

    def take_tags(self, name: str) -> None:
        """Have the classes that `curate tag` has written under a name, in place of the index's own; InputError."""
        self._tag_note, columns = read_tags(self.folder, name, self._written_fingerprint, len(self))
        self.tags = name
        self._lists |= columns

    def __reduce__(self) -> tuple:
        """Pickle as the path."""
        return ShardIndex.open, (self.folder, self.reader.cache, self.tags)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.shard)

    def __repr__(self) -> str:
        """Show where and how much."""
        return f"ShardIndex({redacted(str(self.folder))!r}, {len(self)} samples in {len(self.reader.shards)} shards)"

    @property
    def members(self) -> str:
        """What a clip is stored as: `mp4` one video, `jpg` or `webp` a picture for each frame."""
        return self.manifest["profile"].get("members", MP4)

    @property
    def num_verbs(self) -> int:
        """Number of verb classes."""
        return self._tag_note.num_verbs if self._tag_note else self.manifest["num_verbs"]

    @property
    def num_nouns(self) -> int:
        """Number of noun classes."""
        return self._tag_note.num_nouns if self._tag_note else self.manifest["num_nouns"]

    @property
    def lexicon(self) -> str:
        """Digest of what the classes are called; "" where that is not known."""
        return self._tag_note.lexicon if self._tag_note else self.manifest.get("lexicon", "")

    @property
    def label_names(self) -> dict[str, list[str]]:
        """Names of the classes of each kind of label, in the order of their numbers; empty without labels."""
        return self.manifest.get("labels", {})

    @property
    def narration_time(self) -> np.ndarray:
        """The second of each sample in its video at which what it shows was pointed at, float64[N]."""
        return self._numbers["narration_time"]

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the plan and of every shard's bytes; another one when the folder has grown."""
        return self._digest(self.manifest["plan"], len(self.reader.shards))

    @property
    def index_fingerprint(self) -> str:
        """ "size:sha256" of the index itself: of tags, negatives and texts, which the shards' bytes do not all tell.

        Of tags that stand beside the index theirs follows.
        """
        written = self._written_fingerprint
        return f"{written} {self._tag_note.sha256}" if self._tag_note else written

    @cached_property
    def _written_fingerprint(self) -> str:
        written = self.manifest.get("index")  # folders of the first releases do not tell
        path = self.folder / INDEX_FILE
        return fingerprint(path) if written is None else f"{written['bytes']}:{written['sha256']}"

    @property
    def earlier_fingerprints(self) -> list[str]:
        """Those that a folder that has grown had before, oldest first."""
        parts = [Part.from_json(values) for values in self.manifest.get("parts", [])]
        prints = [part.fingerprint for part in parts]
        shards = np.cumsum([part.shards for part in parts])
        return [self._digest(parts_fingerprint(prints[:n]), int(shards[n - 1])) for n in range(1, len(parts))]

    def _digest(self, plan: str, shards: int) -> str:
        hashes = [plan, *(shard.sha256 for shard in self.reader.shards[:shards])]
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    @property
    def frame_count(self) -> np.ndarray:
        """Frames stored of each sample, int32[N]."""
        return self._numbers["frame_count"]

    def row(self, sample: int) -> Sample:
        """Return all that is known of a sample; raises IndexError beyond the last."""
        i = self._checked(sample)
        return Sample(
            sample=i,
            shard_path=self.reader.shards[self.shard[i]].path,
            spans=self.spans(i),
            neighbourhood=int(self.neighbourhood[i]),
            labels={kind: int(column[i]) for kind, column in self.labels.items()},
            **{name: column[i].as_py() for name, column in self._texts.items()},
            **{name: column.row(i) for name, column in self._lists.items()},
            **{name: column[i].item() for name, column in self._numbers.items()},
        )

    def key(self, sample: int) -> str:
        """Return the name of a sample."""
        return self._texts["key"][self._checked(sample)].as_py()

    def get(self, key: str) -> int | None:
        """Return the sample of a key, None if there is none: its clip was not asked for, or could not be cut."""
        return self._sample_of.get(key)

    def find(self, key: str) -> int:
        """Return the sample of a key; raises InputError for a key that is not there."""
        sample = self.get(key)
        if sample is None:
            raise InputError(f"{self.folder} has no clip {key!r}")
        return sample

    def texts(self, form: TextForm) -> pa.Array:
        """Return the text of every sample, in a form."""
        return self._texts[TEXT_COLUMNS_OF_FORMS[form]]

    def tagged(self, column: str) -> int:
        """Return how many samples have a class in `tag_verb` or `tag_noun`."""
        return int((np.diff(self._lists[column].offsets) > 0).sum())

    def negatives(self, sample: int) -> np.ndarray:
        """Return the samples int64[K] that are a sample's hard negatives, nearest first."""
        return self._lists["negatives"].row(self._checked(sample))

    def member_names(self, sample: int) -> list[str]:
        """Return the file names of a sample's members in its tar."""
        count = int(self.frame_count[self._checked(sample)])
        return [f"{self.key(sample)}.{suffix}" for suffix in member_suffixes(self.members, count)]

    def spans(self, sample: int) -> list[tuple[int, int]]:
        """Return (offset, size) in bytes of each member's content in the tar, json first."""
        i = self._checked(sample)
        return list(zip(self._offsets.row(i).tolist(), self._sizes.row(i).tolist(), strict=True))

    def crc32(self, sample: int) -> list[int]:
        """Return the checksum of each member's content."""
        return self._crc32.row(self._checked(sample)).tolist()

    def read_video(self, sample: int) -> bytes:
        """Return a sample's mp4; raises InputError if the shard is gone or shorter than the index says.

        Raises InputError too if the clips are stored as pictures: `read_members` reads those.
        """
        if self.members not in VIDEO_KINDS:
            raise InputError(f"{self.folder} holds {self.members} pictures, not mp4 videos: read the frames one by one")
        return self.read_members(sample, [1])[0]

    def read_json(self, sample: int) -> bytes:
        """Return a sample's json member; raises InputError as `read_video`."""
        return self.read_members(sample, [0])[0]

    def read_members(self, sample: int, members: Sequence[int]) -> list[bytes]:
        """Return members of a sample by number (0 the json, 1 the mp4 or frame 0, ...), reading no other bytes.

        Raises IndexError for a number that it does not have, and InputError as `read_video` and for bytes that are not
        those that were written.
        """
        spans, shard = self.spans(sample), int(self.shard[sample])
        if len(members) and not 0 <= min(members) <= max(members) < len(spans):
            raise IndexError(f"members {list(members)} are not among the {len(spans)} of sample {sample}")
        crc32 = self.crc32(sample)
        wanted = [Span(*spans[member], crc32[member]) for member in members]
        return self.reader.read(shard, wanted)

    @cached_property
    def _crc32(self) -> ListColumn:
        return lists(self._read_column("crc32"))

    @cached_property
    def _sample_of(self) -> dict[str, int]:
        return {key: i for i, key in enumerate(self._texts["key"].to_pylist())}

    def _checked(self, sample: int) -> int:
        if not 0 <= sample < len(self):
            raise IndexError(f"sample {sample} is not among the {len(self)} of {self.folder}")
        return int(sample)
