"""A model fitted on a set's train rows, and what comes of it: its scores on the test rows, or its embeddings.

A file is named by what it was made of (features, model, parameters, seed, code), so that nothing is computed twice, a
run that was killed goes on where it stopped, and a change in a model leaves no old score on the page.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.query_metrics import query_metrics
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.files import write_atomically
from pipeline.model_parts.base import Model, Pairs, model_module
from pipeline.retrieval.cosines import Embedding, Labels, unit_rows
from pipeline.settings.device import one_thread

DIRECTIONS = ("audio_to_visual", "visual_to_audio")
METRICS = ("map", "recall_at_1")


class Fit(NamedTuple):
    """One model, trained on the train rows of a table; the validation rows stop it early where its params say so.

    Attributes:
        features: file of the feature table.
        features_sha256: of its bytes.
        model: its name.
        params: all of its ``Params`` but the seeds, as JSON.
        seed: of this one.
        code: hash of the project's code behind it, from ``code_hash``.
        out: folder of the results of all fits.
    """

    features: Path
    features_sha256: str
    model: str
    params: str
    seed: int
    code: str
    out: Path

    def __str__(self) -> str:
        """For the line of progress."""
        return f"{self.features.stem}: {self.model}, seed {self.seed}"

    def file(self, kind: str) -> Path:
        """Return where its results of a kind are: ``scores``, ``vectors`` or ``embeddings``."""
        made_of = json.dumps([self.features_sha256, self.params, self.seed, self.code])
        key = hashlib.sha256(made_of.encode()).hexdigest()
        return self.out / kind / self.features.stem / self.model / f"{key[:16]}.npz"


def score(fit: Fit) -> None:
    """Write what the fitted model scores on the test rows, and their embeddings as unit rows, which can be added up."""
    table = FeatureTable.load(fit.features)
    with one_thread():
        audio, visual, labels = table.rows("test")
        model = _fitted(fit, table)
        vectors = {"audio": model.embed_audio(audio), "visual": model.embed_visual(visual)}
        found = scores(vectors["audio"], vectors["visual"], labels)
    _write(fit.file("vectors"), {modality: unit_rows(rows).astype(np.float32) for modality, rows in vectors.items()})
    _write(fit.file("scores"), found)


def scores(audio: Embedding, visual: Embedding, labels: Labels) -> dict[str, NDArray[Any]]:
    """Return the ``METRICS`` of each query, (n,) each, named DIRECTION.METRIC.

    Args:
        audio: (n, k) embeddings of the clips.
        visual: (n, k) embeddings of the same clips.
        labels: (n,) their classes.
    """
    ways = zip(DIRECTIONS, ((audio, visual), (visual, audio)), strict=True)
    measured = {way: query_metrics(*pair, labels, labels, recall_at=[1]).scalars for way, pair in ways}
    return {f"{way}.{metric}": measured[way][metric] for way in DIRECTIONS for metric in METRICS}


def embed(fit: Fit) -> None:
    """Write the fitted model's embeddings of the train and the test rows."""
    table = FeatureTable.load(fit.features)
    with one_thread():
        model = _fitted(fit, table)
        arrays: dict[str, NDArray[np.float32]] = {}
        for split in ("train", "test"):
            audio, visual, _ = table.rows(split)
            arrays |= {f"{split}_audio": model.embed_audio(audio), f"{split}_visual": model.embed_visual(visual)}
    _write(fit.file("embeddings"), arrays)


def _fitted(fit: Fit, table: FeatureTable) -> Model:
    """The model, trained."""
    module = model_module(fit.model)
    fields: dict[str, Any] = json.loads(fit.params)
    if "seeds" in module.Params.model_fields:
        fields["seeds"] = [fit.seed]
    model: Model = module.Model(module.Params.model_validate(fields), fit.seed)
    validation = Pairs(*table.rows("validation"))
    if fields.get("patience") is None:  # they stop nothing, so that one of them, whose MAP costs less, will do
        validation = Pairs(validation.audio[:1], validation.visual[:1], validation.labels[:1])
    model.fit(Pairs(*table.rows("train")), validation)
    return model


def _write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """An npz file, whole or not at all."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    write_atomically(path, file.getvalue())
