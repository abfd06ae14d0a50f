"""Shard folders of strangers: an index or a manifest that was changed by someone who knows the format."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def forge_manifest(folder: Path, change: Callable[[dict], None]) -> None:
    """Change the manifest of a folder."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def forge_index(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the index of a folder, and its digest in the manifest with it."""
    path = folder / "index.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    data = path.read_bytes()
    digest = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    forge_manifest(folder, lambda manifest: manifest.update(index=digest))


def with_column(name: str, change: Callable[[list], list]) -> Callable[[pa.Table], pa.Table]:
    """Return a change of an index: the values of one column."""

    def changed(table: pa.Table) -> pa.Table:
        field = table.schema.field(name)
        values = pa.array(change(table[name].to_pylist()), field.type)
        return table.set_column(table.schema.get_field_index(name), field, values)

    return changed
