"""Features and embeddings as files that other programs read: HDF5 of schema A, npz and Parquet."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.dataset.feature_files.schemas import SIDE_SPLITS, sides_of
from pipeline.formats.embeddings import EmbeddedClips, write_arrays
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.files import disk_errors
from pipeline.settings.paths import AnyPath


def export_run(features: AnyPath, embeddings: AnyPath, models: Iterable[str], out: AnyPath) -> tuple[int, list[str]]:
    """Write what a run made to a folder; return how many clips there are, and the models that have embeddings.

    The files are features.h5, features.npz and features.parquet, and NAME.parquet for every such model.

    Args:
        features: the feature table.
        embeddings: folder of NAME.npz; that of a model which is not among ``models`` is left over from another run.
        models: names of the models that are trained.
        out: the folder; is made if missing.

    Raises:
        DataError: the features or embeddings cannot be read.
        DiskError: the disk is full or fails.
    """
    embeddings, out = Path(embeddings), Path(out)
    table = FeatureTable.load(features)
    embedded = [name for name in models if (embeddings / f"{name}.npz").exists()]
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        write_schema_a(table, out / "features.h5")
        write_npz(table, out / "features.npz")
        write_parquet(table, out / "features.parquet")
        for name in embedded:
            write_embeddings_parquet(embeddings / f"{name}.npz", out / f"{name}.parquet")
    return len(table.clip_ids), embedded


def write_schema_a(table: FeatureTable, path: AnyPath) -> None:
    """Write the table as published feature files are: a key for each array of train and of test.

    Validation rows stand in the train arrays, as in published files; ``split_train`` tells them apart. The attributes
    ``classes``, ``provenance`` and ``scaling`` are JSON. The same table gives the same bytes.
    """
    splits = np.array(table.splits)
    with h5py.File(path, "w") as file:
        for side, members in SIDE_SPLITS.items():
            rows, keys = np.flatnonzero(np.isin(splits, members)), sides_of(side)
            arrays = {keys.audio: table.audio[rows], keys.visual: table.visual[rows], keys.labels: table.labels[rows]}
            texts = {keys.clip_ids: [table.clip_ids[i] for i in rows], keys.splits: splits[rows].tolist()}
            for key, array in arrays.items():
                file.create_dataset(key, data=array, track_times=False)
            for key, values in texts.items():
                file.create_dataset(key, data=_text(values), track_times=False)
        for name, value in _facts(table).items():
            file.attrs[name] = value


def write_npz(table: FeatureTable, path: AnyPath) -> None:
    """Write audio, visual, labels, clip_ids, splits and classes, and the facts as JSON, to one npz without pickles."""
    facts = _facts(table)
    arrays: dict[str, NDArray[Any]] = {
        "audio": table.audio,
        "visual": table.visual,
        "labels": table.labels,
        "clip_ids": np.array(table.clip_ids),
        "splits": np.array(table.splits),
        "classes": np.array(table.classes),
        "provenance": np.array(facts["provenance"]),
        "scaling": np.array(facts["scaling"]),
    }
    write_arrays(path, arrays)


def write_parquet(table: FeatureTable, path: AnyPath) -> None:
    """Write a row a clip: clip_id, label, split, audio and visual; the facts stand in the schema's metadata."""
    columns = {
        "clip_id": pa.array(table.clip_ids),
        "label": pa.array([table.classes[label] for label in table.labels]),
        "split": pa.array(table.splits),
        "audio": _vectors(table.audio),
        "visual": _vectors(table.visual),
    }
    pq.write_table(pa.table(columns).replace_schema_metadata(_facts(table)), path)


def write_embeddings_parquet(npz: AnyPath, path: AnyPath) -> None:
    """Write a row a seed and clip: seed (its place), clip_id, label, split, audio and visual.

    Args:
        npz: what the stage `embed` wrote.
        path: the file to write.

    Raises:
        DataError: the npz holds no embeddings.
    """
    clips = EmbeddedClips.load(npz)
    n_seeds, n_clips, width = clips.audio.shape
    texts = {
        "clip_id": clips.clip_ids,
        "label": [clips.classes[label] for label in clips.labels.tolist()],
        "split": clips.splits,
    }
    columns = {
        "seed": pa.array(np.repeat(np.arange(n_seeds), n_clips)),
        **{name: pa.array([*values] * n_seeds) for name, values in texts.items()},
        "audio": _vectors(clips.audio.reshape(-1, width)),
        "visual": _vectors(clips.visual.reshape(-1, width)),
    }
    pq.write_table(pa.table(columns), path)


def _facts(table: FeatureTable) -> dict[str, str]:
    """Names of the classes, what made the features and how they were scaled, each as JSON."""
    imported = table.provenance.get("imported", {})
    scaling = table.provenance.get("features", imported.get("scaling"))
    facts = {"classes": table.classes, "provenance": table.provenance, "scaling": scaling}
    return {name: json.dumps(value, sort_keys=True) for name, value in facts.items()}


def _text(values: list[str]) -> NDArray[np.bytes_]:
    """Text as UTF-8 of one width: an attribute holds 64 KB at most, and text of free width is no plain array."""
    encoded = [value.encode() for value in values]
    return np.array(encoded, h5py.string_dtype("utf-8", max(map(len, encoded))))


def _vectors(rows: NDArray[np.float32]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """A column of vectors of one width."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows).reshape(-1)), rows.shape[1])
