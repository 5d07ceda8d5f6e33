"""provenance.json: what is written down about the weights of a network, beside its features."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    pass


PROVENANCE_FILE = "provenance.json"


Provenance: TypeAlias = dict[str, str | float | bool]


def write_provenance(folder: AnyPath, facts: Provenance) -> None:
    """Write what `provenance` returned beside the features that it is about."""
    folder = Path(folder)
    (folder / PROVENANCE_FILE).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_provenance(folder: AnyPath) -> Provenance:
    """Return what `write_provenance` wrote."""
    folder = Path(folder)
    facts: Provenance = json.loads((folder / PROVENANCE_FILE).read_text(encoding="utf-8"))
    return facts
