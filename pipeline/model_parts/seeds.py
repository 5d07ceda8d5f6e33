"""A model's fits, one for each of its seeds: made, saved as a folder, and read back to embed clips."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.formats.csv_rows import write_rows
from pipeline.formats.embeddings import ArrayInPieces, EmbeddedClips, write_embedded
from pipeline.formats.feature_table import FEATURES, FeatureTable
from pipeline.formats.provenance import read_provenance, write_provenance
from pipeline.formats.shards import StoredRows
from pipeline.formats.stored_features import StoredFeatures
from pipeline.model_parts import row_blocks
from pipeline.model_parts.base import History, Model, Pairs, model_module
from pipeline.model_parts.ranks import own_rank
from pipeline.model_parts.streamed import NeedsMemoryError, StreamedModel, StreamedPairs
from pipeline.settings.params import StageParams
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track

LEFT_OUT = "left_out"  # key of provenance.json, whose value says why
CLOSED_FORM_DEVICE = "cpu"  # NumPy and scikit-learn compute there


def fit_seeds(name: str, params: StageParams, table: FeatureTable | StoredFeatures, out: AnyPath) -> bool:
    """Fit a model once for each of its seeds, on train, stopped early on validation, and write the folder.

    It holds ``seed-N.safetensors`` for each, history.csv with a row an epoch and provenance.json with the kind of
    device. A model that learns from labels is left out where no train clip has one, and one that takes all rows at once
    where they lie in their file: history.csv has no row then, and provenance.json says why. Of torchrun's ranks the
    first one writes.

    Args:
        name: of the model.
        params: its own ``Params``; without ``seeds`` it is fitted once.
        table: features of all clips; where they lie in their file, the model is fitted without taking them into memory.
        out: the folder, which is made.

    Returns:
        Whether this process is the one that writes.

    Raises:
        DataError: the train or the validation split has no clip or cannot be used, or a loss is no longer finite.
        DiskError: the disk is full or fails.
    """
    out = Path(out)
    pairs_of = Pairs if isinstance(table, FeatureTable) else StreamedPairs
    train, validation = pairs_of(*table.rows("train")), pairs_of(*table.rows("validation"))
    del table  # whose memory is free then, where the caller has handed it over
    layout: type[Model] = model_module(name).Model
    is_first = own_rank() == 0
    if why := why_left_out(layout, train.labels):
        if is_first:
            _leave_out(name, why, out)
        return is_first
    history: History = []
    for seed in getattr(params, "seeds", [0]):
        model = layout(params, seed)
        try:
            history += [{"seed": seed, **epoch} for epoch in _fit(model, train, validation, out.parent)]
        except NeedsMemoryError as error:
            if is_first:
                _leave_out(name, str(error), out)
            return is_first
        if is_first:
            out.mkdir(parents=True, exist_ok=True)
            model.save(out / f"seed-{seed}.safetensors")
    if is_first:
        _write_history(out / "history.csv", history)
        write_provenance(out, {"device": getattr(model, "device", CLOSED_FORM_DEVICE)})
    return is_first


def why_left_out(layout: type[Model], labels: NDArray[np.int64]) -> str:
    """Return in words why a model is not fitted on clips with these labels; empty where it is.

    Args:
        layout: of the model.
        labels: (n,) of the train clips, -1 for none.
    """
    needs_labels = layout.learns_from == "labels" and (labels < 0).all()
    return "it learns from labels, and no train clip has one" if needs_labels else ""


def is_left_out(folder: AnyPath) -> bool:
    """Return whether ``fit_seeds`` left a model out.

    Args:
        folder: that it wrote.

    Raises:
        DataError: its provenance.json is missing or damaged.
    """
    return LEFT_OUT in read_provenance(folder)


def load_seeds(name: str, folder: AnyPath) -> list[Model]:
    """Return the fitted models of a folder that ``fit_seeds`` wrote, their seeds rising.

    Raises:
        DataError: the folder holds no model, or one that cannot be read.
        ParamsError: there is no model of that name.
    """
    folder = Path(folder)
    files = {int(path.stem.removeprefix("seed-")): path for path in folder.glob("seed-*.safetensors")}
    if not files:
        raise DataError(f"{folder}: no seed-N.safetensors; expected a folder that the stage `train` wrote")
    return [model_module(name).Model.load(path) for _, path in sorted(files.items())]


def embed_seeds(name: str, folder: AnyPath, table: FeatureTable | StoredFeatures, out: AnyPath) -> None:
    """Embed both modalities of every clip by the fits of a folder, and write them and what is known of the clips.

    The npz has audio and visual (n_seeds, n, k) float32, seeds rising; of a model that was left out there are none.

    Args:
        name: of the model.
        folder: that ``fit_seeds`` wrote.
        table: features of n clips; where they lie in their file, the embeddings are written as they are made.
        out: the npz, whose folder is made.

    Raises:
        DataError: the folder holds no model, or one that cannot be read.
    """
    fits = [] if is_left_out(folder) else load_seeds(name, folder)
    names = {"clip_ids": table.clip_ids, "splits": table.splits, "classes": table.classes}
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    if isinstance(table, StoredFeatures):
        embedded = {modality: in_pieces(fits, table, modality) for modality in FEATURES}
        write_embedded(out, embedded | {"labels": table.labels}, names)
        return
    audio, visual = embed_table(track(fits, "embed", "seed"), table)
    EmbeddedClips(audio=audio, visual=visual, labels=table.labels, **names).save(out)


def embed_sides(name: str, folder: AnyPath, sides: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Return clips that have one modality alone in the spaces of a folder's fits, (n_seeds, n, k) of each modality.

    Args:
        name: of the model.
        folder: that ``fit_seeds`` wrote.
        sides: features (n, width) by modality, ``audio`` and ``visual``; without a row of one its space is 0 wide.

    Raises:
        DataError: the folder holds no model, or one that cannot be read.
    """
    fits = load_seeds(name, folder)
    nothing = np.zeros((len(fits), 0, 0), np.float32)
    return {
        modality: np.stack([getattr(fit, f"embed_{modality}")(rows) for fit in fits]) if len(rows) else nothing
        for modality, rows in sides.items()
    }


def embed_table(models: Iterable[Model], table: FeatureTable) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return audio and visual of every clip in the models' spaces, (n_seeds, n, k) each, from its own features alone.

    Args:
        models: n_seeds fits of one model; without any, the spaces are 0 wide.
        table: features of n clips.
    """
    embedded = [(of.embed_audio(table.audio), of.embed_visual(table.visual)) for of in models]
    if not embedded:
        nothing = np.zeros((0, len(table.clip_ids), 0), np.float32)
        return nothing, nothing
    audio, visual = zip(*embedded, strict=True)
    return np.stack(audio), np.stack(visual)


def in_pieces(fits: Sequence[Model], table: StoredFeatures, modality: str) -> ArrayInPieces:
    """Return a modality of every clip in the spaces of n_seeds fits, (n_seeds, n, k), which are made as they are taken.

    Args:
        fits: of one model; without any, the spaces are 0 wide.
        table: features of n clips.
        modality: ``audio`` or ``visual``.
    """
    rows: StoredRows = getattr(table, modality)
    embed = [getattr(fit, f"embed_{modality}") for fit in fits]
    width = embed[0](rows[:1]).shape[1] if embed else 0
    n_at_once = row_blocks.ROWS_AT_ONCE
    pieces = (of_seed(rows[i : i + n_at_once]) for of_seed in embed for i in range(0, len(rows), n_at_once))
    return ArrayInPieces((len(fits), len(rows), width), pieces)


def _fit(model: Model, train: Pairs | StreamedPairs, validation: Pairs | StreamedPairs, scratch: Path) -> History:
    """The history of a fit on features in memory, or in their file."""
    if isinstance(train, Pairs) and isinstance(validation, Pairs):
        return model.fit(train, validation)
    if not isinstance(model, StreamedModel):
        raise NeedsMemoryError(len(train.labels), "fewer clips")
    return model.fit_streamed(train, validation, scratch)  # type: ignore[arg-type]  # as both are of one kind


def _leave_out(name: str, why: str, out: Path) -> None:
    """Say that a model is not fitted, and write the folder that says so."""
    out.mkdir(parents=True, exist_ok=True)
    _write_history(out / "history.csv", [])
    write_provenance(out, {LEFT_OUT: why})
    print(f"train: {name} is left out: {why}", file=sys.stderr)


def _write_history(path: Path, history: History) -> None:
    """A row an epoch of each seed; of a closed form the header alone."""
    columns = list(history[0]) if history else ["seed"]
    write_rows(path, columns, [[epoch[column] for column in columns] for epoch in history])
