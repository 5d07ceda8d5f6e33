"""Videos and sounds that lie in the rows of Parquet files, as files: written once, below a folder of the cache."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from pipeline.dataset.layouts.parquet_files import MEDIA, SOURCE_IDS, class_names, columns_of, open_shard
from pipeline.errors import DataError, in_words
from pipeline.formats.clip_files import FILMS, SOUNDS, beside
from pipeline.formats.files import write_atomically
from pipeline.formats.memory import recall, remember
from pipeline.settings.limits import Limits
from pipeline.settings.paths import AnyPath

BATCH_ROWS = 8  # of some megabytes each
SOUND_FOLDER, SOUND_ENDING = SOUNDS[0]


class UnpackedRow(NamedTuple):
    """What a row has become.

    Attributes:
        label: name of the class; empty: none.
        source_id: the recording; empty: unknown.
        n_bytes: size of each file by its path: the video, and the sound where it lies in a column of its own. Without
            a video there is neither.
    """

    label: str
    source_id: str
    n_bytes: dict[str, int]


_ROWS = TypeAdapter(dict[str, UnpackedRow])


def video_path(key: str, row: int) -> str:
    """Return where the video of a row goes: in the tree beside which a sound is looked for."""
    return f"{FILMS}/{key}/{row:06d}.mp4"


def unpack(path: AnyPath, folder: AnyPath, key: str, limits: Limits) -> list[UnpackedRow]:
    """Return the rows of a Parquet file, after writing the files that the folder does not hold yet.

    Args:
        path: of the Parquet file.
        folder: of all unpacked files.
        key: names the bytes of the Parquet file, such as their hash.
        limits: section ``limits``: the files may be ``expansion_factor`` times as large as the Parquet file.

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
    """Whether all files of a row are there in their size."""
    return all(_has_size(folder / path, n_bytes) for path, n_bytes in row.n_bytes.items())


def _has_size(file: Path, n_bytes: int) -> bool:
    """Whether there is a file of that size; one is written whole or not at all."""
    return file.is_file() and file.stat().st_size == n_bytes


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
        yield _row(folder, video_path(key, number), cells, names)


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


def _row(folder: Path, video: str, cells: dict[str, Any], names: list[str]) -> UnpackedRow:
    """One row, its files written."""
    paths = video, beside(video, SOUND_FOLDER, SOUND_ENDING)
    media = {path: _data(cells.get(name)) for path, name in zip(paths, MEDIA, strict=True)}
    files = {path: data for path, data in media.items() if data and media[video]}
    row = UnpackedRow(
        label=_label(cells.get("label"), names),
        source_id=next((str(cells[name]) for name in SOURCE_IDS if cells.get(name) is not None), ""),
        n_bytes={path: len(data) for path, data in files.items()},
    )
    for path, data in files.items():
        if not _has_size(folder / path, len(data)):
            write_atomically(folder / path, data)
    return row


def _data(cell: dict[str, Any] | bytes | None) -> bytes:
    """The bytes of a file; none where the row has but its path."""
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    return data or b""


def _label(cell: object, names: list[str]) -> str:
    """The name of a class; "" for none, which as a number is null, NaN, or where there are names -1."""
    if cell is None or cell != cell or (names and isinstance(cell, int) and cell < 0):
        return ""
    return names[cell] if names and isinstance(cell, int) else str(cell)
