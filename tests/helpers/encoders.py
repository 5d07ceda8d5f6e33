"""Encoders of tests: real folders around models that learn for a moment, and networks that need no weights."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from pipeline.encoder.encoder import Encoder
from pipeline.encoder.making import RunFiles, write_encoder
from pipeline.features.clip_vectors import FeaturesParams, mean_over_time, modality_features
from pipeline.features.pca import NO_PCA, Pca, save_pca
from pipeline.formats.embeddings import EmbeddedClips
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.shards import Rows
from pipeline.model_parts.base import model_module
from pipeline.model_parts.seeds import embed_table, fit_seeds, load_seeds
from pipeline.network_parts.base import Modality
from tests.helpers.project import ROOT
from tests.helpers.yaml_text import read_yaml

N_CLIPS, N_CLASSES = 45, 3
WIDTHS: dict[Modality, int] = {"audio": 128, "visual": 2048}  # of VGGish and Inception
SPLITS = ["train"] * 25 + ["validation"] * 10 + ["test"] * 10
FACTS = {
    "vggish": {"weights": "random", "sha256": "a" * 64, "seed": 0, "final_relu": False, "postprocess": "none"},
    "inception": {
        "weights": "random",
        "sha256": "b" * 64,
        "seed": 0,
        "input_range": "-1..1",
        "average_pool": "torchvision",
    },
}
FEW = {"epochs": 3, "seeds": [0, 1], "n_fourier_features": 32, "n_landmarks": 20}
NUMBERS = {"map": 0.7, "mrr": 0.8, "recall_at_1": 0.6, "recall_at_10": 0.9}
METRICS: dict[str, Any] = {
    "dataset": {"name": "demo", "source": "demo", "n_clips": 45, "n_train": 25, "n_validation": 10, "n_test": 10},
    "chance": {"map": 0.4, "map_std": 0.05},
    "rejected": 1,
    "provenance": {"device": "cpu", "project": "dual-subspace-retrieval 0.2.0", "versions": {"numpy": "2.0"}},
}


class MadeEncoder(NamedTuple):
    """An encoder's folder, and what stands behind it: every clip's vectors over time and the rows that stages write."""

    folder: Path
    run: RunFiles
    vectors: dict[Modality, list[NDArray[np.float32]]]
    rows: dict[Modality, NDArray[np.float32]]

    def load(self, seed: int | None = None) -> Encoder:
        return Encoder.load(self.folder, seed)


def make_encoder(folder: Path, name: str = "cca", *, imported: bool = False, **changes: object) -> MadeEncoder:
    """Write what the stages write of a model, and the encoder; the folder must be the current one."""
    params = read_yaml((ROOT / "params.yaml").read_text())
    section = params["models"][name]
    params["models"] = {name: section}
    of_model = params["baselines"][name] if section.startswith("baselines.") else params["model"]
    of_model |= {key: value for key, value in (FEW | changes).items() if key in of_model}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    run = RunFiles(
        *(folder / "data" / name for name in ("f.safetensors", "pca.safetensors", "models", "emb", "m.json"))
    )
    run.embeddings.mkdir(parents=True)
    vectors = clip_vectors()
    table = _table(vectors, FeaturesParams(**params["features"]), imported, run.pca)
    table.save(run.features)
    fit_seeds(name, model_module(name).Params(**of_model), table, run.models / name)
    audio, visual = embed_table(load_seeds(name, run.models / name), table)
    texts = {"clip_ids": table.clip_ids, "splits": table.splits, "classes": table.classes}
    EmbeddedClips(audio=audio, visual=visual, labels=table.labels, **texts).save(run.embeddings / f"{name}.npz")
    of_ways = {way: NUMBERS for way in ("audio_to_visual", "visual_to_audio")}
    metrics = METRICS | {"models": {name: of_ways | {"average": NUMBERS | {"map_margin": 0.02}}}}
    run.metrics.write_text(json.dumps(metrics))
    write_encoder(run, folder / "encoder")
    if imported:
        vectors = {"audio": list(table.audio[:, None]), "visual": list(table.visual[:, None])}
    return MadeEncoder(folder / "encoder", run, vectors, {"audio": audio, "visual": visual})


def clip_vectors() -> dict[Modality, list[NDArray[np.float32]]]:
    """Vectors of every clip over one to four seconds, around a centre of its class."""
    rng = np.random.default_rng(0)
    made: dict[Modality, list[NDArray[np.float32]]] = {}
    for modality, width in WIDTHS.items():
        centres = rng.standard_normal((N_CLASSES, width))
        made[modality] = [
            (centres[k % N_CLASSES] + rng.standard_normal((1 + k % 4, width))).astype(np.float32)
            for k in range(N_CLIPS)
        ]
    return made


def _table(
    vectors: Mapping[Modality, list[NDArray[np.float32]]], params: FeaturesParams, imported: bool, pca_file: Path
) -> FeatureTable:
    """The table of features as the stage `features` makes it, and beside it the PCA; imported ones are narrow."""
    clip_ids = [f"clip {k}" for k in range(N_CLIPS)]
    means = {m: mean_over_time(zip(clip_ids, rows, strict=True), clip_ids) for m, rows in vectors.items()}
    pca = NO_PCA if imported else _pca(means["visual"][np.array(SPLITS) == "train"])
    save_pca(pca, pca_file)
    features = {m: rows[:, :12] if imported else modality_features(m, rows, params, pca) for m, rows in means.items()}
    return FeatureTable(
        clip_ids=clip_ids,
        splits=SPLITS,
        labels=np.arange(N_CLIPS) % N_CLASSES,
        classes=["bark", "meow", "moo"],
        audio=features["audio"],
        visual=features["visual"],
        provenance={"imported": {"schema": "A"}} if imported else {**FACTS, "features": params.choices},
    )


def _pca(rows: NDArray[np.float32]) -> Pca:
    """The PCA of a few wide rows (n, d), by way of their singular values: a thousand times faster than the stage's."""
    mean = rows.mean(axis=0, dtype=np.float64)
    _, singular, components = np.linalg.svd(rows - mean, full_matrices=False)
    return Pca(mean, components[:-1], singular[:-1] ** 2 / (len(rows) - 1))


class PlainNetwork:
    """A network without weights: a fixed random map of what its inputs hold."""

    def __init__(self, modality: Modality) -> None:
        self.name, self.facts = {"audio": "vggish", "visual": "inception"}[modality], {"plain": True}
        self._modality, self._maps = modality, dict[int, NDArray[np.float32]]()
        self.n_embedded = 0

    def rows_of(self, arrays: Mapping[str, Rows]) -> NDArray[np.float32]:
        """Numbers (n, m) of a clip."""
        if self._modality == "audio":
            return arrays["examples"][:].reshape(len(arrays["seconds"]), -1)
        from pipeline.formats.jpegs import decode_jpegs

        pictures = decode_jpegs(arrays["jpeg"], arrays["lengths"][:])
        return pictures[:, ::50, ::50].reshape(len(pictures), -1).astype(np.float32)

    def embedder(self, clips: Iterable[tuple[str, NDArray[np.float32]]]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        for clip_id, rows in clips:
            self.n_embedded += 1
            shape = rows.shape[1], WIDTHS[self._modality]
            if shape[0] not in self._maps:
                self._maps[shape[0]] = np.random.default_rng(1).standard_normal(shape).astype(np.float32) / 100
            yield clip_id, np.stack([row @ self._maps[shape[0]] for row in rows])

    def vectors(self, clip_id: str, arrays: Mapping[str, Rows]) -> NDArray[np.float32]:
        [(_, vectors)] = self.embedder([(clip_id, self.rows_of(arrays))])
        return vectors


def with_plain_networks(encoder: Encoder) -> tuple[PlainNetwork, PlainNetwork]:
    """Give an encoder networks that are ready at once; return them."""
    networks = PlainNetwork("audio"), PlainNetwork("visual")
    encoder._networks = {"audio": networks[0], "visual": networks[1]}  # type: ignore[dict-item]  # stand for networks
    return networks
