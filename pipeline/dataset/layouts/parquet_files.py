"""The Parquet files of a data set of the Hugging Face Hub: which there are, of which split, and their columns."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from pipeline.dataset.layouts.hub_splits import split_named
from pipeline.dataset.layouts.table_rows import KINDS, LIKE_LABEL, ONE_CLASS, PARQUET
from pipeline.errors import DataError, in_words
from pipeline.settings.limits import Limits
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular

MEDIA = ("video", "audio")
SOURCE_IDS = ("source_id", "youtube_id")
_PART = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})", re.ASCII)


class Shard(NamedTuple):
    """One Parquet file: where it lies, its path from the folder without its ending, and its split or ""."""

    path: Path
    name: str
    split: str


class _ClassLabel(BaseModel):
    names: list[str]


class _ColumnNotes(BaseModel):
    label: _ClassLabel


class _TableNotes(BaseModel):
    features: _ColumnNotes


class _HubNotes(BaseModel):
    """What the library `datasets` notes in the schema of a file, as far as it names classes."""

    info: _TableNotes


def shards_of(root: AnyPath, layout: str) -> list[Shard]:
    """Return the Parquet files of a folder and of the folders in it, sorted; hidden names are passed over.

    Args:
        root: the folder.
        layout: what the source expects, for messages.

    Raises:
        DataError: there is none; the names of a file and its folder say two splits; or a part is missing where names
            count them (``train-00000-of-00011``).
    """
    root = Path(root)
    paths = sorted(path for pattern in ("[!.]*", "[!.]*/[!.]*") for path in root.glob(pattern + PARQUET))
    if not paths:
        raise DataError(f"dataset.path={root}: no {PARQUET} file; expected {layout}")
    shards = [_shard(root, path) for path in paths]
    _check_parts(root, shards)
    return shards


def _shard(root: Path, path: Path) -> Shard:
    """One file, whose split is the first word of its name, or the name of its folder."""
    name = PurePosixPath(path.relative_to(root)).with_suffix("")
    words = [*name.parts[:-1], re.split(r"[-_. ]", name.name)[0]]
    splits = sorted(set(filter(None, map(split_named, words))))
    if len(splits) > 1:
        raise DataError(f"{path}: its name says {' and '.join(splits)}; expected one split")
    return Shard(path, str(name), splits[0] if splits else "")


def _check_parts(root: Path, shards: Iterable[Shard]) -> None:
    """Refuse a set of files of which some are missing: a smaller data set is another one."""
    numbers = defaultdict(set)
    for shard in shards:
        if part := _PART.fullmatch(shard.name):
            numbers[part["name"], int(part["total"])].add(int(part["number"]))
    for (name, total), there in sorted(numbers.items()):
        if len(there) < total:
            missing = min(set(range(total)) - there)
            raise DataError(
                f"{root}: {len(there)} of {total} files {name}-*{PARQUET}, not number {missing:05d}; expected all, or "
                "names that do not count them"
            )


def open_shard(path: AnyPath, limits: Limits) -> pq.ParquetFile:
    """Return an open Parquet file that has the columns of films.

    Args:
        path: of the file.
        limits: section ``limits``.

    Raises:
        DataError: it is no Parquet file, has too many rows, or a column is missing, comes twice or is of another kind.
    """
    path = Path(path)
    try:
        check_regular(path)
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: {in_words(error)}; expected a Parquet file") from error
    if file.metadata.num_rows > limits.table_rows:
        raise DataError(f"{path}: {file.metadata.num_rows} rows; expected at most {limits.named('table_rows')}")
    _check_columns(path, file.schema_arrow)
    return file


def columns_of(schema: pa.Schema) -> list[str]:
    """Return the columns that are read: ``video``, and of ``audio``, ``label`` and one of SOURCE_IDS what there is."""
    known = [*MEDIA, "label", *[name for name in SOURCE_IDS if name in schema.names][:1]]
    return [name for name in known if name in schema.names]


def class_names(schema: pa.Schema) -> list[str]:
    """Return the names of the classes that whole numbers in ``label`` stand for; none where the file notes none."""
    try:
        return _HubNotes.model_validate_json((schema.metadata or {})[b"huggingface"]).info.features.label.names
    except (KeyError, ValidationError):
        return []


def _check_columns(path: Path, schema: pa.Schema) -> None:
    """Refuse a file without videos, or with columns of other kinds; labels may be missing, but not by another name."""
    like_label = [name for name in schema.names if name.casefold() in ("label", *LIKE_LABEL)]
    if "video" not in schema.names or (like_label and "label" not in schema.names):
        like = f", like label: {like_label}" if like_label else ""
        raise DataError(f"{path}: columns {schema.names}{like}; expected video, optional label and audio")
    if doubled := sorted(name for name in columns_of(schema) if Counter(schema.names)[name] > 1):
        raise DataError(f"{path}: columns {doubled} come twice; expected each once")
    for name in columns_of(schema):
        kind = schema.field(name).type
        if name in MEDIA and not _is_media(kind):
            expected = "the bytes of files, by themselves or beside their path"
            raise DataError(f"{path}: column {name!r} holds {kind}; expected {expected}")
        if name not in MEDIA and not any(is_kind(kind) for is_kind in KINDS):
            expected = ONE_CLASS if pa.types.is_nested(kind) else "text or numbers"
            raise DataError(f"{path}: column {name!r} holds {kind}; expected {expected}")


def _is_media(kind: pa.DataType) -> bool:
    """Whether a column holds bytes, or pairs of bytes and a path."""
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _is_media(kind.field("bytes").type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
