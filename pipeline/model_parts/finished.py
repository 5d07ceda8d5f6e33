"""Which models are trained already: beside the fits of a model lies a note of all that they were made from.

One stage trains all models, so that they share a start of Python and the cores of the machine. By these notes it keeps
those that would come out as they are, as DVC keeps a stage of which nothing has changed.
"""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.formats.files import replacing
from pipeline.formats.run_times import sampled_sha256
from pipeline.model_parts.ranks import how_many
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.params import read_section
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

FILE = "made_from.json"
_LARGEST_BYTES = 1 << 16


class Training(NamedTuple):
    """A model that is to be trained.

    Attributes:
        name: of the model.
        section: its section of params.yaml.
        folder: where its fits go.
        embeddings: the npz of what they make of every clip.
        key: hash of all that decides both.
    """

    name: str
    section: str
    folder: Path
    embeddings: Path
    key: str


class _Note(BaseModel):
    """What made_from.json says: the key of the training, and hashes of what it wrote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    fits: str
    embeddings: str


def training_of(name: str, section: str, features_sha256: str, models: AnyPath, embeddings: AnyPath) -> Training:
    """Return the training of a model by a section of params.yaml, in folders of all models.

    Its key is of the features, the section, the code behind the model, the packages, and how many processes share a
    fit. Where it is computed does not count, as for every stage.

    Args:
        name: of the model.
        section: dotted name of its section.
        features_sha256: hash of the file of the features.
        models: the folder of the folders of fits.
        embeddings: the folder of the npz files.

    Raises:
        ParamsError: there is no such section.
    """
    facts = {"model": name, "features": features_sha256, "params": read_section(section)}
    facts["ranks"] = how_many()  # each rank draws its own dropout
    key = fingerprint(facts, [f"pipeline.models.{name}", "pipeline.model_parts.seeds"])
    return Training(name, section, Path(models) / name, Path(embeddings) / f"{name}.npz", key)


def is_finished(training: Training) -> bool:
    """Return whether the fits and the embeddings lie there whole, made from what they would be made from now."""
    try:
        note = _Note.model_validate_json(read_regular(training.folder / FILE, _LARGEST_BYTES))
        return note == _note(training)
    except (OSError, ValidationError):
        return False


def note_finished(training: Training) -> None:
    """Note that a model is trained, once all of its files are written."""
    with replacing(training.folder / FILE) as temporary:
        temporary.write_text(_note(training).model_dump_json(indent=2) + "\n", encoding="utf-8")


def forget(training: Training) -> None:
    """Remove what a former training of the model wrote."""
    shutil.rmtree(training.folder, ignore_errors=True)
    training.embeddings.unlink(missing_ok=True)


def remove_others(models: AnyPath, embeddings: AnyPath, trainings: Iterable[Training]) -> None:
    """Remove what lies in the folders of all models and belongs to none of them."""
    kept = {path for training in trainings for path in (training.folder, training.embeddings)}
    for folder in (Path(models), Path(embeddings)):
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            if path not in kept:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _note(training: Training) -> _Note:
    """What is to be noted of the files as they lie there."""
    digest = hashlib.sha256()
    for file in sorted(training.folder.iterdir()):
        if file.name != FILE:
            digest.update(f"{file.name} {sampled_sha256(file)}\n".encode())
    return _Note(key=training.key, fits=digest.hexdigest(), embeddings=sampled_sha256(training.embeddings))
