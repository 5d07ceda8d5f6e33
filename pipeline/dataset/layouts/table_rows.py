"""The rows of a table of clips, .csv, .tsv or .parquet, as text, each with its place for messages."""

import csv
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import LARGEST_TEXT_BYTES, check_regular, open_regular_text

REQUIRED = ("path", "label")
COLUMNS = (*REQUIRED, "clip_id", "split", "source_id", "start", "end")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"
SUFFIXES = (*DELIMITERS, PARQUET)
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
ONE_CLASS = "one class a clip: what is relevant to a query is what has its class"


class TableRow(NamedTuple):
    """One row: its place, such as ``videos.csv: line 3``, and its text in the columns that it knows; "" is nothing."""

    place: str
    cells: dict[str, str]


def read_rows(path: AnyPath) -> list[TableRow]:
    """Return the rows of a table.

    Args:
        path: a .csv or .tsv in UTF-8 with a header, or a .parquet.

    Raises:
        DataError: the file is of another kind or damaged, or a column is missing, misspelt, doubled or of lists.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in DELIMITERS:
        return _read_text(path, DELIMITERS[suffix])
    if suffix == PARQUET:
        return _read_parquet(path)
    raise DataError(f"{path}: a file of kind {suffix!r}; expected one of {list(SUFFIXES)}")


def check_columns(path: AnyPath, names: Sequence[str]) -> None:
    """Refuse a header that does not say what is meant; further columns with names of their own are welcome.

    Raises:
        DataError: a column is missing or comes twice, or one is called nearly as one that is not there.
    """
    path = Path(path)
    if doubled := sorted(name for name, count in Counter(names).items() if count > 1):
        raise DataError(f"{path}: columns {doubled} come twice; expected each once")
    absent = [name for name in COLUMNS if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    misspelt = [f"{name!r} (is it {meant!r}?)" for name in unknown for meant in _meant(name, absent)]
    missing = [name for name in REQUIRED if name in absent]
    if misspelt or missing:
        raise DataError(
            f"{path}: columns {list(names)}, missing {missing}, like a known one: {', '.join(misspelt) or 'none'}; "
            f"expected {list(REQUIRED)}, optional {list(COLUMNS[len(REQUIRED) :])}"
        )


def _meant(name: str, absent: Sequence[str]) -> list[str]:
    """The absent column that an unknown one may stand for: ``Label``, ``lable``, ``start_seconds``."""
    plain = name.strip().casefold()
    longer = [known for known in absent if plain.startswith(f"{known}_")]
    return longer or get_close_matches(plain, absent, n=1, cutoff=0.75)


def _read_text(path: Path, delimiter: str) -> list[TableRow]:
    """Rows of a CSV or TSV; empty lines are passed over."""
    try:
        with open_regular_text(path, "utf-8-sig") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            header = next(reader, [])
            check_columns(path, header)
            return [_text_row(f"{path}: line {reader.line_num}", header, fields) for fields in reader if fields]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: {error}; expected a header and rows in UTF-8 with {delimiter!r} between") from error


def _text_row(place: str, header: Sequence[str], fields: Sequence[str]) -> TableRow:
    """One row of a CSV or TSV."""
    if len(fields) != len(header):
        raise DataError(f"{place}: {len(fields)} fields; expected {len(header)}, as the header has")
    return TableRow(place, {name: field for name, field in zip(header, fields, strict=True) if name in COLUMNS})


def _read_parquet(path: Path) -> list[TableRow]:
    """Rows of a Parquet file; null and NaN are nothing."""
    try:
        check_regular(path, LARGEST_TEXT_BYTES)
        file = pq.ParquetFile(path)
        check_columns(path, file.schema_arrow.names)
        _check_types(path, file.schema_arrow)
        rows = file.read(columns=[name for name in COLUMNS if name in file.schema_arrow.names]).to_pylist()
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}; expected a Parquet file, its text in UTF-8") from error
    return [TableRow(f"{path}: row {number}", _as_text(row)) for number, row in enumerate(rows, start=1)]


def _check_types(path: Path, schema: Iterable[pa.Field]) -> None:
    """Refuse columns whose cells are no single words or numbers."""
    for field in schema:
        cell = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if field.name == "label" and pa.types.is_nested(cell):
            raise DataError(f"{path}: column 'label' holds {field.type}; expected {ONE_CLASS}")
        if field.name in COLUMNS and not any(is_kind(cell) for is_kind in KINDS):
            raise DataError(f"{path}: column {field.name!r} holds {field.type}; expected text or numbers")


def _as_text(row: dict[str, object]) -> dict[str, str]:
    """The cells of a Parquet row."""
    nothing = [name for name, value in row.items() if value is None or (isinstance(value, float) and math.isnan(value))]
    return {name: "" if name in nothing else str(value) for name, value in row.items()}
