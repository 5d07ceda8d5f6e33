"""Videos and sounds that lie in the rows of Parquet files, as files: written once, below a folder of the cache."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from pipeline.dataset.layouts.class_folders import SUFFIXES
from pipeline.dataset.layouts.joining import join, lacks_sound
from pipeline.dataset.layouts.parquet_files import MEDIA, SOURCE_IDS, class_names, columns_of, open_shard
from pipeline.errors import DataError, in_words
from pipeline.formats.files import write_atomically
from pipeline.formats.memory import recall, remember
from pipeline.settings.limits import Limits
from pipeline.settings.paths import AnyPath

BATCH_ROWS = 8  # of some megabytes each
JOINED_ENDING = ".mkv"


class UnpackedRow(NamedTuple):
    """What a row has become.

    Attributes:
        label: name of the class; empty: none.
        source_id: the recording; empty: unknown.
        path: of the video, from the folder of unpacked files; empty: the row has no bytes of one.
        n_bytes: its size.
    """

    label: str
    source_id: str
    path: str
    n_bytes: int


_ROWS = TypeAdapter(dict[str, UnpackedRow])


def unpack(path: AnyPath, folder: AnyPath, key: str, limits: Limits) -> list[UnpackedRow]:
    """Return the rows of a Parquet file, after writing the videos that the folder does not hold yet.

    A video without sound beside a sound in a column of its own becomes one file with both.

    Args:
        path: of the Parquet file.
        folder: of all unpacked files.
        key: names the bytes of the Parquet file, such as their hash.
        limits: section ``limits``: the rows may be ``expansion_factor`` times as large as the Parquet file.

    Raises:
        DataError: the Parquet file is damaged, lacks a column or holds too much.
        DiskError: the folder cannot be written.
    """
    path, folder = Path(path), Path(folder)
    note = folder / "rows" / f"{key}.json"
    rows = recall(note, _ROWS)
    if not rows or not all(_is_there(folder, row) for row in rows.values()):
        rows = {str(number): row for number, row in enumerate(_written(path, folder, key, limits))}
        remember(note, _ROWS, rows)
    return list(rows.values())


def _is_there(folder: Path, row: UnpackedRow) -> bool:
    """Whether the video of a row is there in its size, or there is none; it is written whole or not at all."""
    file = folder / row.path
    return not row.path or (file.is_file() and file.stat().st_size == row.n_bytes)


def _written(path: Path, folder: Path, key: str, limits: Limits) -> Iterator[UnpackedRow]:
    """The rows, each after its files."""
    file = open_shard(path, limits)
    names = class_names(file.schema_arrow)
    for number, cells in enumerate(_cells(path, file, limits)):
        label = cells.get("label")
        if names and isinstance(label, int) and label >= len(names):
            raise DataError(
                f"{path}: row {number}: label {label}; expected one of the {len(names)} that the file names"
            )
        yield _row(folder, f"{key}/{number:06d}", cells, names)


def _cells(path: Path, file: pq.ParquetFile, limits: Limits) -> Iterator[dict[str, Any]]:
    """The cells of each row, a few rows at a time, as long as they are not far more than the file is large."""
    n_bytes, most_bytes = 0, limits.expansion_factor * path.stat().st_size
    try:
        for batch in file.iter_batches(BATCH_ROWS, columns=columns_of(file.schema_arrow)):
            batch.validate(full=True)  # of damaged pages, whose cells may point anywhere
            n_bytes += batch.nbytes
            if n_bytes > most_bytes:
                expected = f"at most {limits.named('expansion_factor')} times its size"
                raise DataError(f"{path}: {n_bytes} bytes in its rows; expected {expected}")
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {in_words(error)}; expected a Parquet file that is whole") from error


def _row(folder: Path, stem: str, cells: dict[str, Any], names: list[str]) -> UnpackedRow:
    """One row, its video written."""
    film, sound = (_data(cells.get(name)) for name in MEDIA)
    source_id = next((str(cells[name]) for name in SOURCE_IDS if cells.get(name) is not None), "")
    row = UnpackedRow(_label(cells.get("label"), names), source_id, "", 0)
    if not film:
        return row
    joined = join(film, sound) if sound and lacks_sound(film) else None
    row = row._replace(path=stem + (JOINED_ENDING if joined else _suffix(cells["video"])), n_bytes=len(joined or film))
    if not _is_there(folder, row):
        write_atomically(folder / row.path, joined or film)
    return row


def _suffix(cell: dict[str, Any] | bytes) -> str:
    """The ending of a video's name, where the row has one."""
    suffix = PurePosixPath(str(cell.get("path") or "")).suffix.lower() if isinstance(cell, dict) else ""
    return suffix if suffix in SUFFIXES else SUFFIXES[0]


def _data(cell: dict[str, Any] | bytes | None) -> bytes:
    """The bytes of a file; none where the row has but its path."""
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    return data or b""


def _label(cell: object, names: list[str]) -> str:
    """The name of a class; "" for none, which as a number is null, NaN, or where there are names -1."""
    if cell is None or cell != cell or (names and isinstance(cell, int) and cell < 0):
        return ""
    return names[cell] if names and isinstance(cell, int) else str(cell)
