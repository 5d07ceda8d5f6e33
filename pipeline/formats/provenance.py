"""provenance.json: what is written down about the weights of a network, beside its features."""

import json
from pathlib import Path
from typing import TypeAlias

from pydantic import TypeAdapter

from pipeline.errors import DataError, in_words
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

PROVENANCE_FILE = "provenance.json"

Provenance: TypeAlias = dict[str, str | float | bool]
_FACTS: TypeAdapter[Provenance] = TypeAdapter(dict[str, str | int | float | bool], config={"strict": True})


def write_provenance(folder: AnyPath, facts: Provenance) -> None:
    """Write what `provenance` returned beside the features that it is about."""
    folder = Path(folder)
    (folder / PROVENANCE_FILE).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_provenance(folder: AnyPath) -> Provenance:
    """Return what `write_provenance` wrote.

    Raises:
        DataError: the file is missing or damaged.
    """
    path = Path(folder) / PROVENANCE_FILE
    try:
        return _FACTS.validate_json(read_regular(path))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {in_words(error)}; expected the note of a stage: run `dvc repro`") from error
