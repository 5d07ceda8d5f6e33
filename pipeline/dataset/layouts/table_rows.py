"""The rows of a table of clips, .csv, .tsv, .jsonl or .parquet, as text, each with its place for messages."""

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.dataset.layouts.json_lines import read_objects
from pipeline.dataset.names import check_name
from pipeline.errors import DataError, in_words
from pipeline.settings.limits import Limits, load_limits
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import LARGEST_TEXT_BYTES, check_regular, open_regular_text

REQUIRED = ("path",)
PATH_NAMES = (*REQUIRED, "file_name", "filename", "video", "file")  # what a column of paths may be called
COLUMNS = (*REQUIRED, "label", "clip_id", "split", "source_id", "start", "end")
LIKE_LABEL = ("category", "class", "tag", "target")  # which would be passed over in silence, and all labels with them
DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES, PARQUET = ".jsonl", ".parquet"
SUFFIXES = (*DELIMITERS, JSON_LINES, PARQUET)
KNOWN = (*PATH_NAMES, *COLUMNS[1:])
KINDS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_boolean,
    pa.types.is_null,
)  # of Parquet's types: text, numbers and nothing
BATCH_ROWS = 10_000
BYTES_PER_CHARACTER = 4  # of UTF-8, at most
ONE_CLASS = "one class a clip: what is relevant to a query is what has its class"


class TableRow(NamedTuple):
    """One row: its place, such as ``videos.csv: line 3``, and its text in the columns that it knows; "" is nothing.

    The column of paths is called ``path`` here, whatever its name.
    """

    place: str
    cells: dict[str, str]


def read_rows(path: AnyPath) -> list[TableRow]:
    """Return the rows of a table.

    Args:
        path: a .csv or .tsv in UTF-8 with a header, a .jsonl with one object a line, or a .parquet.

    Raises:
        DataError: the file is of another kind or damaged, or larger than the limits allow; a column is missing,
            misspelt, doubled or of lists, or two say where the videos are; or a cell holds a control character.
    """
    path, limits = Path(path), load_limits()
    n_bytes = path.stat().st_size
    if n_bytes > limits.table_gigabytes * 1e9:
        raise DataError(f"{path}: {n_bytes / 1e9:.3g} GB; expected at most {limits.named('table_gigabytes')}")
    suffix = path.suffix.lower()
    if suffix in DELIMITERS:
        return _read_text(path, DELIMITERS[suffix], limits)
    if suffix == JSON_LINES:
        return _read_json(path, limits)
    if suffix == PARQUET:
        return _read_parquet(path, limits)
    raise DataError(f"{path}: a file of kind {suffix!r}; expected one of {list(SUFFIXES)}")


def check_columns(path: AnyPath, names: Sequence[str]) -> None:
    """Refuse a header that does not say what is meant; further columns with names of their own are welcome.

    Raises:
        DataError: a column is missing or comes twice, or one is called nearly as one that is not there; or two columns
            say where the videos are.
    """
    path = Path(path)
    if doubled := sorted(name for name, count in Counter(names).items() if count > 1):
        raise DataError(f"{path}: columns {doubled} come twice; expected each once")
    paths = [name for name in names if name in PATH_NAMES]
    if len(paths) > 1:
        raise DataError(f"{path}: columns {paths} may all be the paths of videos; expected one of {list(PATH_NAMES)}")
    absent = [name for name in COLUMNS[1:] if name not in names] + list(() if paths else PATH_NAMES)
    unknown = [name for name in names if name not in KNOWN]
    misspelt = [f"{name!r} (is it {meant!r}?)" for name in unknown for meant in _meant(name, absent)]
    if misspelt or not paths:
        raise DataError(
            f"{path}: columns {list(names)}, missing {[] if paths else list(REQUIRED)}, like a known one: "
            f"{', '.join(misspelt) or 'none'}; expected {list(REQUIRED)}, optional {list(COLUMNS[1:])}; path may be "
            f"called {', '.join(PATH_NAMES[1:])}"
        )


def _meant(name: str, absent: Sequence[str]) -> list[str]:
    """The absent column that an unknown one may stand for: ``Label``, ``lable``, ``class``, ``start_seconds``."""
    plain = name.strip().casefold()
    if plain in LIKE_LABEL:
        return [known for known in absent if known == "label"]
    longer = [known for known in absent if plain.startswith(f"{known}_")]
    return longer or get_close_matches(plain, absent, n=1, cutoff=0.75)


def _read_text(path: Path, delimiter: str, limits: Limits) -> list[TableRow]:
    """Rows of a CSV or TSV; empty lines are passed over."""
    try:
        with open_regular_text(path, "utf-8-sig") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            header = next(reader, [])
            check_columns(path, header)
            rows = []
            for fields in filter(None, reader):
                rows.append(_text_row(f"{path}: line {reader.line_num}", header, fields, limits))
                _check_rows(path, len(rows), limits)
            return rows
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: {error}; expected a header and rows in UTF-8 with {delimiter!r} between") from error


def _text_row(place: str, header: Sequence[str], fields: Sequence[str], limits: Limits) -> TableRow:
    """One row of a CSV or TSV."""
    if len(fields) != len(header):
        raise DataError(f"{place}: {len(fields)} fields; expected {len(header)}, as the header has")
    return _row(place, dict(zip(header, fields, strict=True)), limits)


def _row(place: str, fields: Mapping[str, str], limits: Limits) -> TableRow:
    """One row, whose cells can be printed."""
    for name, cell in fields.items():
        if name in KNOWN:
            check_name(cell, f"{place}: {name}", limits)
    return TableRow(place, {_column(name): cell for name, cell in fields.items() if name in KNOWN})


def _column(name: str) -> str:
    """What a known column is called here."""
    return "path" if name in PATH_NAMES else name


def _check_rows(path: Path, n_rows: int, limits: Limits) -> None:
    """Refuse more rows than the limit allows."""
    if n_rows > limits.table_rows:
        raise DataError(f"{path}: {n_rows} rows or more; expected at most {limits.named('table_rows')}")


def _read_json(path: Path, limits: Limits) -> list[TableRow]:
    """Rows of JSON lines; null and NaN are nothing, as is a key that is not there."""
    rows, names = [], dict[str, None]()
    for place, found in read_objects(path):
        names |= dict.fromkeys(found)
        cells = {name: value for name, value in found.items() if name in KNOWN}
        for name, value in cells.items():
            if isinstance(value, list | dict):
                expected = ONE_CLASS if name == "label" else "text or a number"
                raise DataError(f"{place}: {name!r} holds {type(value).__name__}; expected {expected}")
        rows.append(_row(place, _as_text(cells), limits))
        _check_rows(path, len(rows), limits)
    check_columns(path, list(names))
    return [row._replace(cells={"path": "", **row.cells}) for row in rows]


def _read_parquet(path: Path, limits: Limits) -> list[TableRow]:
    """Rows of a Parquet file; null and NaN are nothing."""
    try:
        check_regular(path, LARGEST_TEXT_BYTES)
        file = pq.ParquetFile(path)
        check_columns(path, file.schema_arrow.names)
        _check_types(path, file.schema_arrow)
        _check_rows(path, file.metadata.num_rows, limits)
        rows: list[TableRow] = []
        for batch in _batches(path, [name for name in KNOWN if name in file.schema_arrow.names], limits):
            numbered = enumerate(batch.to_pylist(), start=len(rows) + 1)
            rows += [_row(f"{path}: row {i}", _as_text(row), limits) for i, row in numbered]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {in_words(error)}; expected a Parquet file, its text in UTF-8") from error
    if len(rows) != file.metadata.num_rows:
        raise DataError(f"{path}: {len(rows)} rows; expected a Parquet file of {file.metadata.num_rows}, as it says")
    return rows


def _batches(path: Path, names: list[str], limits: Limits) -> Iterator[pa.RecordBatch]:
    """The known columns, some rows at a time, as long as their text is not far more than the file is large."""
    n_bytes, most_bytes = 0, limits.expansion_factor * path.stat().st_size
    file = pq.ParquetFile(path, read_dictionary=names)  # a text that comes often is unpacked once
    for batch in file.iter_batches(BATCH_ROWS, columns=names):
        batch.validate(full=True)  # of damaged pages, whose cells may point anywhere
        lengths = [_text_bytes(column) for column in batch.columns]
        n_bytes += sum(int(pc.sum(of_column).as_py() or 0) for of_column in lengths)
        longest = max(int(pc.max(of_column).as_py() or 0) for of_column in lengths)
        if n_bytes > most_bytes or longest > BYTES_PER_CHARACTER * limits.text_characters:
            key = "expansion_factor" if n_bytes > most_bytes else "text_characters"
            raise DataError(f"{path}: {n_bytes} bytes of text; expected at most {limits.named(key)}")
        yield batch


def _text_bytes(column: pa.Array) -> pa.Array:
    """Bytes of the text of each row; of numbers 0."""
    if pa.types.is_dictionary(column.type):
        return pc.take(_text_bytes(column.dictionary), column.indices)
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return pc.binary_length(column) if is_text else pa.array(np.zeros(len(column), np.int64))


def _check_types(path: Path, schema: Iterable[pa.Field]) -> None:
    """Refuse columns whose cells are no single words or numbers."""
    for field in schema:
        cell = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if field.name == "label" and pa.types.is_nested(cell):
            raise DataError(f"{path}: column 'label' holds {field.type}; expected {ONE_CLASS}")
        if field.name in KNOWN and not any(is_kind(cell) for is_kind in KINDS):
            raise DataError(f"{path}: column {field.name!r} holds {field.type}; expected text or numbers")


def _as_text(row: Mapping[str, object]) -> dict[str, str]:
    """The cells of a row of values."""
    nothing = [name for name, value in row.items() if value is None or (isinstance(value, float) and math.isnan(value))]
    return {name: "" if name in nothing else str(value) for name, value in row.items()}
