"""Trained models, kept where finished clips are: outside of DVC's outs, under a hash of all that decides them.

One stage trains all models, so that they share a start of Python and the cores of the machine. By this it trains only
those that would come out otherwise than before, as DVC runs only stages of which something has changed.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.clip_jobs.cache import ClipCache
from pipeline.errors import DataError
from pipeline.formats import shards, stored_features
from pipeline.formats.files import disk_errors
from pipeline.formats.shards import Arrays
from pipeline.model_parts.ranks import n_processes
from pipeline.settings.environment import finished_clips
from pipeline.settings.fingerprint import code_hash, fingerprint
from pipeline.settings.params import read_section
from pipeline.settings.paths import AnyPath

EMBEDDINGS, FITS = "embeddings", "fits/"
_AROUND = (Path(__file__).with_name("every_model.py"), Path(shards.__file__), Path(stored_features.__file__))
"""Code that counts beside what a model imports: how a fit is run, and how its features are read."""


class ModelTraining(NamedTuple):
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


def training_of(name: str, section: str, features_sha256: str, models: AnyPath, embeddings: AnyPath) -> ModelTraining:
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
    facts["ranks"] = n_processes()  # each rank draws its own dropout
    facts["code"] = [code_hash(file) for file in _AROUND]
    key = fingerprint(facts, [f"pipeline.models.{name}", "pipeline.model_parts.seeds"])
    return ModelTraining(name, section, Path(models) / name, Path(embeddings) / f"{name}.npz", key)


def trained_models() -> ClipCache:
    """Return where trained models are kept.

    Raises:
        ParamsError: AVR_CACHE_DIR names no place for them.
    """
    return ClipCache(finished_clips("train"), "")


def finished_files(training: ModelTraining, kept: ClipCache) -> Arrays | None:
    """Return the bytes (n_bytes,) uint8 of each file of a finished training by name; None: it is unknown or damaged."""
    if kept.look_up(training.name, training.key).state != "done":
        return None
    try:
        return kept.read(training.name, training.key)
    except DataError:
        return None


def restore(training: ModelTraining, files: Arrays) -> None:
    """Write the files of a finished training, bytes (n_bytes,) uint8 by name, in place of what lies there.

    Raises:
        DiskError: the disk is full or fails.
    """
    with disk_errors(training.folder):
        forget(training)
        for name, data in files.items():
            path = training.embeddings if name == EMBEDDINGS else training.folder / name.removeprefix(FITS)
            path.parent.mkdir(parents=True, exist_ok=True)
            data.tofile(path)


def keep(training: ModelTraining, kept: ClipCache, *, with_embeddings: bool = True) -> None:
    """Keep the files of a training that is done.

    Args:
        training: that is done.
        kept: where.
        with_embeddings: whether what the fits make of every clip is kept too, or made again where it is missing.

    Raises:
        DiskError: the cache cannot be written.
    """
    files = {f"{FITS}{file.name}": file for file in training.folder.iterdir()}
    if with_embeddings:
        files[EMBEDDINGS] = training.embeddings
    kept.write(training.key, {name: np.fromfile(file, np.uint8) for name, file in files.items()})


def forget(training: ModelTraining) -> None:
    """Remove what a former training of the model wrote."""
    if training.folder.exists():
        shutil.rmtree(training.folder)
    training.embeddings.unlink(missing_ok=True)
