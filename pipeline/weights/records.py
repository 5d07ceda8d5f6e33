"""What is noted about a kept set of weights, in a JSON file beside it; a note that was edited or moved is refused."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from pydantic import TypeAdapter

from pipeline.errors import DataError, in_words
from pipeline.formats.files import file_sha256
from pipeline.network_parts.base import Source
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular
from pipeline.weights.readers import CONVERTER
from pipeline.weights.sources import SOURCES
from pipeline.weights.tfjs import MODEL_FILE, is_tfjs, tfjs_files

EXPECTED = "expected what this program wrote: delete it, then fetch or import it again"
NOTE_SHA256 = "note_sha256"
KEYS = {"set", "source", "url", "sha256", "state_sha256", "licence", "date", "converter", NOTE_SHA256}

Record: TypeAlias = dict[str, str]
_RECORD = TypeAdapter(Record)


def new_record(kept: AnyPath, source: Source, file: str, digest: str, state_digest: str) -> Record:
    """Return the record of a set of weights.

    Args:
        kept: where the set is kept; the record is of no other set.
        source: where it is from.
        file: name of the file it was read from.
        digest: SHA-256 of that file, in full, also where its publisher names none.
        state_digest: of the tensors.
    """
    record = {
        "set": Path(kept).stem,
        "source": file,
        "url": source.url,
        "sha256": digest,
        "state_sha256": state_digest,
        "licence": source.licence,
        "date": datetime.now(UTC).date().isoformat(),
        "converter": CONVERTER,
    }
    return record | {NOTE_SHA256: _note_sha256(record)}


def record_text(record: Record) -> str:
    """Return a record as it is written."""
    return json.dumps(record, indent=2, sort_keys=True) + "\n"


def read_record(path: AnyPath) -> Record:
    """Return the record of a kept set.

    Raises:
        DataError: it is missing, damaged or edited, or is that of another set or of other bytes than were published.
    """
    path = Path(path)
    try:
        record = _RECORD.validate_json(read_regular(path.with_suffix(".json"), follow_link=False))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {in_words(error)}; {EXPECTED}") from error
    if problem := _problem(path, record):
        raise DataError(f"{path.with_suffix('.json')}: {problem}; {EXPECTED}")
    return record


def _problem(path: Path, record: Record) -> str:
    """What is wrong with a record, or nothing."""
    if record.keys() != KEYS:
        return f"keys {sorted(record)}"
    if record[NOTE_SHA256] != _note_sha256(record):
        return "edited since it was written"
    if record["set"] != path.stem:
        return f"the note of {record['set']}"
    network, _, name = path.stem.partition(".")
    source = SOURCES.get(name)
    if source and source.network == network and source.sha256 not in ("", record["sha256"]):
        return f"made of a file of SHA-256 {record['sha256'][:12]}, published is {source.sha256[:12]}"
    return ""


def _note_sha256(record: Record) -> str:
    """Hash of all other entries: sha256, hex."""
    others = {key: value for key, value in record.items() if key != NOTE_SHA256}
    return hashlib.sha256(record_text(others).encode(errors="backslashreplace")).hexdigest()


def content_sha256(path: AnyPath) -> str:
    """Return the SHA-256 of a file; of several (a folder, a checkpoint in parts) that of their names and hashes.

    Raises:
        DataError: there is none, or one is no regular file.
    """
    path = Path(path)
    files = _files(path)
    if not files:
        expected = f"a file of weights, or a folder with variables or {MODEL_FILE} in it"
        raise DataError(f"{path}: nothing to read; expected {expected}")
    if files == [path]:
        return file_sha256(path)
    return hashlib.sha256("".join(f"{file.name} {file_sha256(file)}\n" for file in files).encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    """The files that hold the weights at a path, in an order that never changes."""
    if path.is_file():
        return [path]
    if path.is_dir() and is_tfjs(path):
        return tfjs_files(path)
    if path.is_dir():
        return sorted(path.glob("variables/*"))
    return sorted([*path.parent.glob(f"{path.name}.index"), *path.parent.glob(f"{path.name}.data-*")])
