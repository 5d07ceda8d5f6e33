"""Parquet files with videos in their rows, as the library `datasets` writes them to the Hugging Face Hub."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def media(name: str, data: bytes | None = None) -> dict[str, Any]:
    """A cell of a video or a sound: the bytes of a file, by default its name, and its path."""
    return {"bytes": name.encode() if data is None else data, "path": name}


def write_films(path: Path, names: Sequence[str] = (), **columns: list[Any]) -> Path:
    """Write a Parquet file; columns of media are pairs of bytes and path, and ``names`` are those of the classes."""
    kinds = {"video": MEDIA, "audio": MEDIA}
    arrays = {
        name: pa.array(cells, kinds[name] if name in kinds and isinstance(cells[0], dict) else None)
        for name, cells in columns.items()
    }
    table = pa.table(arrays)
    if names:
        features = {"label": {"names": list(names), "_type": "ClassLabel"}, "video": {"_type": "Video"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path
