"""Features and embeddings as files that other programs read: HDF5 of schema A, npz and Parquet."""

import errno
import json
import os
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.dataset.feature_files.export_card import CARD, card_text
from pipeline.dataset.feature_files.schemas import SIDE_SPLITS, sides_of
from pipeline.errors import DataError
from pipeline.features.clip_windows import read_clip_vectors
from pipeline.formats.clips import Clip, read_clips
from pipeline.formats.embeddings import EmbeddedClips, write_arrays
from pipeline.formats.feature_table import TEXTS, FeatureTable, label_names
from pipeline.formats.files import adding_files
from pipeline.formats.shards import SHARDS, Arrays
from pipeline.formats.texts import pack_texts
from pipeline.network_parts.base import network_part
from pipeline.retrieval.cosines import unit_rows
from pipeline.settings.paths import AnyPath

Seeds = Literal["first", "all"]
VECTORS = "_vectors.parquet"  # behind the name of a network
CLIPS_AT_A_TIME = 256  # whose vectors make one group of rows


class Exported(NamedTuple):
    """What was written: the number of clips, the models that have embeddings, the networks that have vectors."""

    n_clips: int
    models: list[str]
    networks: list[str]


def export_run(
    features: AnyPath, embeddings: AnyPath, models: Iterable[str], out: AnyPath, seeds: Seeds = "first"
) -> Exported:
    """Write what a run made to a folder, all of it or nothing.

    The files are features.h5, features.npz and features.parquet; NAME.parquet for every model that has embeddings;
    NETWORK_vectors.parquet for every network whose vectors over time lie beside the table; and README.md, a card that
    says what they hold.

    Args:
        features: the feature table.
        embeddings: folder of NAME.npz; that of a model which is not among ``models`` is left over from another run.
        models: names of the models that are trained.
        out: the folder; is made if missing, and what else it holds stays.
        seeds: whose embeddings of a model: those of its first fit, a row a clip, or of all of them.

    Raises:
        DataError: features, embeddings or vectors cannot be read.
        DiskError: the disk is full or fails.
    """
    features, embeddings, out = Path(features), Path(embeddings), Path(out)
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(out))
    table, windows = FeatureTable.load(features), windows_beside(features)
    files = {name: embeddings / f"{name}.npz" for name in models}
    embedded = [name for name, file in files.items() if file.exists() and len(EmbeddedClips.load(file).audio)]
    networks = [name for name in sorted(table.provenance) if has_shards(features.with_name(name))]
    with adding_files(out) as folder:
        write_schema_a(table, folder / "features.h5")
        write_npz(table, folder / "features.npz")
        write_parquet(table, folder / "features.parquet")
        for name in embedded:
            write_embeddings_parquet(files[name], folder / f"{name}.parquet", seeds)
        for name in networks:
            write_vectors_parquet(table, features.with_name(name), folder / f"{name}{VECTORS}", windows)
        (folder / CARD).write_text(card_text(table, embedded, networks, seeds), encoding="utf-8")
    return Exported(len(table.clip_ids), embedded, networks)


def has_shards(folder: AnyPath) -> bool:
    """Return whether a folder holds shards of clips."""
    return any(Path(folder).glob(SHARDS))


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
    """Write audio, visual, labels, clip_ids, splits and classes, and the facts as JSON, to one npz without pickles.

    The texts are packed as `pack_texts` does, so that a long name costs its own length once.
    """
    facts = _facts(table)
    arrays: dict[str, NDArray[Any]] = {
        "audio": table.audio,
        "visual": table.visual,
        "labels": table.labels,
        **pack_texts({name: getattr(table, name) for name in TEXTS}),
        "provenance": np.array(facts["provenance"]),
        "scaling": np.array(facts["scaling"]),
    }
    write_arrays(path, arrays)


def write_parquet(table: FeatureTable, path: AnyPath) -> None:
    """Write a row a clip: clip_id, label, split, audio and visual; the facts stand in the schema's metadata."""
    columns = {
        "clip_id": pa.array(table.clip_ids),
        "label": pa.array(label_names(table.labels, table.classes)),
        "split": pa.array(table.splits),
        "audio": _vectors(table.audio),
        "visual": _vectors(table.visual),
    }
    pq.write_table(pa.table(columns).replace_schema_metadata(_facts(table)), path)


def write_embeddings_parquet(npz: AnyPath, path: AnyPath, seeds: Seeds = "first") -> None:
    """Write a row a clip: clip_id, label, split, audio and visual, both of length 1, so that dot products are cosines.

    Args:
        npz: what the stage `train` wrote.
        path: the file to write.
        seeds: ``all`` writes a row a seed and clip, the seed's place before the others.

    Raises:
        DataError: the npz holds no embeddings.
    """
    clips = EmbeddedClips.load(npz)
    chosen = slice(None) if seeds == "all" else slice(1)
    audio, visual = clips.audio[chosen], clips.visual[chosen]
    n_seeds, n_clips, width = audio.shape
    columns = {"seed": pa.array(np.repeat(np.arange(n_seeds), n_clips))} if seeds == "all" else {}
    texts = {
        "clip_id": clips.clip_ids,
        "label": label_names(clips.labels, clips.classes),
        "split": clips.splits,
    }
    columns |= {name: pa.array([*values] * n_seeds, pa.string()) for name, values in texts.items()}
    for name, rows in (("audio", audio), ("visual", visual)):
        columns[name] = _vectors(unit_rows(rows.reshape(-1, width)).astype(np.float32))
    pq.write_table(pa.table(columns), path)


def windows_beside(features: AnyPath) -> dict[str, Clip]:
    """Return the clips that are windows of a file, by id, of the clips.csv beside a feature table, if there is one.

    Raises:
        DataError: the file is damaged.
    """
    clips_csv = Path(features).with_name("clips.csv")
    return {clip.clip_id: clip for clip in read_clips(clips_csv) if clip.window} if clips_csv.exists() else {}


def write_vectors_parquet(
    table: FeatureTable, shards: AnyPath, path: AnyPath, windows: Mapping[str, Clip] = MappingProxyType({})
) -> None:
    """Write a row a vector of a network over time: clip_id, label, split, seconds and vector, as the network made it.

    Args:
        table: its clips are written, in the order of the shards, some at a time in memory.
        shards: what the stage `network` wrote, in a folder of the network's name.
        path: the file to write.
        windows: those of the clips that are windows of a file, by id; each has the vectors in it.

    Raises:
        DataError: the shards are damaged, or a clip of the table is not in them.
    """
    names = label_names(table.labels, table.classes)
    texts = {
        clip_id: {"clip_id": clip_id, "label": label, "split": split}
        for clip_id, label, split in zip(table.clip_ids, names, table.splits, strict=True)
    }
    left = set(texts)
    clips = [windows.get(name) or Clip(clip_id=name, path="", label="") for name in table.clip_ids]
    modality = network_part(Path(shards).name, "about").MODALITY
    vectors, writer = read_clip_vectors(shards, modality, clips), None
    try:
        while run := list(islice(vectors, CLIPS_AT_A_TIME)):
            rows = pa.concat_tables(_vector_rows(texts[clip.clip_id], arrays) for clip, arrays in run)
            writer = writer or pq.ParquetWriter(path, rows.schema)
            writer.write_table(rows)
            left -= {clip.clip_id for clip, _ in run}
    finally:
        if writer:
            writer.close()
    if left:
        raise DataError(f"{shards}: no vectors of clip {min(left)!r} ({len(left)} such clips); expected those of all")


def _vector_rows(texts: Mapping[str, str], arrays: Arrays) -> Any:  # noqa: ANN401 - pyarrow has no types
    """The rows of one clip."""
    n_rows = len(arrays["seconds"])
    columns = {name: pa.array([text] * n_rows, pa.string()) for name, text in texts.items()}
    columns |= {"seconds": pa.array(arrays["seconds"]), "vector": _vectors(arrays["embeddings"])}
    return pa.table(columns)


def _facts(table: FeatureTable) -> dict[str, str]:
    """Names of the classes, what made the features and how they were scaled, each as JSON."""
    imported = table.provenance.get("imported", {})
    scaling = table.provenance.get("features", imported.get("scaling"))
    facts = {"classes": table.classes, "provenance": table.provenance, "scaling": scaling}
    return {name: json.dumps(value, sort_keys=True) for name, value in facts.items()}


def _text(values: list[str]) -> NDArray[np.object_]:
    """Text as UTF-8 of free width, (n,): one long name costs its own length."""
    return np.array(values, h5py.string_dtype("utf-8"))


def _vectors(rows: NDArray[np.float32]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """A column of vectors of one width."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows).reshape(-1)), rows.shape[1])
