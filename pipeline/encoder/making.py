"""The folder of an encoder, put together from what the stages of a run have written."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.encoder.card import card_text
from pipeline.encoder.config import (
    CARD,
    CONFIG,
    FORMAT,
    TENSORS,
    EncoderConfig,
    NotedModel,
    NotedNetwork,
    config_text,
)
from pipeline.encoder.tensors import SavedFit, read_fits, write_tensors
from pipeline.errors import DataError, in_words
from pipeline.features.clip_vectors import FeaturesParams
from pipeline.features.pca import load_pca
from pipeline.formats.embeddings import DAMAGE
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.files import file_sha256, replacing_folder
from pipeline.network_parts.base import Modality, network_params, network_part
from pipeline.settings.json_text import parse_json
from pipeline.settings.limits import clip_limits, load_limits
from pipeline.settings.params import load_params, model_sections, read_section
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

IMPORTED = "imported"  # the provenance of features that no network of this run made


class RunFiles(NamedTuple):
    """Where the stages of a run have written what an encoder is made of.

    Attributes:
        features: the feature table.
        pca: the PCA of its visual side.
        models: folder of a folder a model.
        embeddings: folder of NAME.npz.
        metrics: metrics.json.
    """

    features: Path
    pca: Path
    models: Path
    embeddings: Path
    metrics: Path


def write_encoder(run: RunFiles, out: AnyPath) -> EncoderConfig:
    """Write the folder of the first model of params.yaml, whole or not at all; return its config.

    Args:
        run: where the parts are.
        out: the folder; one that is there is replaced.

    Raises:
        DataError: a part is missing or damaged.
        ParamsError: params.yaml is wrong.
    """
    metrics = _read_metrics(run.metrics)
    name = _first_measured(run.metrics, metrics)
    table, pca, fits = FeatureTable.load(run.features), load_pca(run.pca), read_fits(run.models / name)
    with replacing_folder(out) as folder:
        write_tensors(folder / TENSORS, pca, fits)
        width = joint_width(run.embeddings / f"{name}.npz")
        model = _noted_model(name, fits, width)
        config = _config(model, table, metrics, file_sha256(folder / TENSORS))
        (folder / CONFIG).write_text(config_text(config), encoding="utf-8")
        (folder / CARD).write_text(card_text(config), encoding="utf-8")
    return config


def joint_width(embeddings: AnyPath) -> int:
    """Return the width of a model's embeddings, from the header of their file alone.

    Raises:
        DataError: the file is missing or is no such file.
    """
    try:
        with zipfile.ZipFile(embeddings) as archive, archive.open("audio.npy") as array:
            if np.lib.format.read_magic(array) != (1, 0):
                raise ValueError("a header of another version")
            shape, _, _ = np.lib.format.read_array_header_1_0(array)
            _, _, width = shape
            return int(width)
    except DAMAGE as error:
        raise DataError(f"{embeddings}: {in_words(error)}; expected embeddings that the stage `train` wrote") from error


def _noted_model(name: str, fits: Mapping[int, SavedFit], width: int) -> NotedModel:
    """The model, whose fits were all made with one set of parameters."""
    return NotedModel(name=name, params=next(iter(fits.values())).params, seeds=list(fits), width=width)


def _config(model: NotedModel, table: FeatureTable, metrics: Mapping[str, Any], digest: str) -> EncoderConfig:
    """The content of config.json."""
    features = None if IMPORTED in table.provenance else load_params("features", FeaturesParams)
    networks = _networks(features, table.provenance) if features else {}
    stages = sorted({network_part(network.name, "about").INPUTS for network in networks.values()})
    return EncoderConfig(
        format=FORMAT,
        model=model,
        classes=table.classes,
        feature_widths={"audio": table.audio.shape[1], "visual": table.visual.shape[1]},
        decoding={stage: dict(_section(stage)) for stage in stages},
        networks=networks,
        features=features,
        limits=load_limits(),
        clip_timeout_seconds=clip_limits().clip_timeout_seconds,
        provenance={name: metrics[name] for name in ("dataset", "rejected", "provenance")},
        metrics={"model": metrics["models"][model.name], "chance": metrics["chance"]},
        model_sha256=digest,
    )


def _networks(features: FeaturesParams, provenance: Mapping[str, Any]) -> dict[Modality, NotedNetwork]:
    """The networks of both modalities; weights that a path names are called as they are kept, here as elsewhere."""
    chosen: dict[Modality, str] = {"audio": features.audio, "visual": features.visual}
    noted: dict[Modality, NotedNetwork] = {}
    for modality, name in chosen.items():
        facts = provenance[name]
        params = network_params(name).model_dump() | {"weights": facts["weights"]}
        noted[modality] = NotedNetwork(name=name, params=params, facts=facts)
    return noted


def _section(name: str) -> Mapping[str, Any]:
    """A section of params.yaml as it stands there: the stage that wrote the run's arrays has checked it."""
    section = read_section(name)
    assert isinstance(section, dict)
    return section


def _first_measured(path: Path, metrics: Mapping[str, Any]) -> str:
    """The first model of params.yaml that was measured; those that need labels are left out where there are none."""
    names = list(model_sections())
    name = next((name for name in names if name in metrics["models"]), None)
    if name is None:
        raise DataError(f"{path}: models {[*metrics['models']]}; expected one of {', '.join(names)}")
    return name


def _read_metrics(path: Path) -> Mapping[str, Any]:
    """The content of metrics.json."""
    expected = "expected what the stage `evaluate` wrote"
    try:
        metrics = dict(parse_json(read_regular(path)))
        _ = metrics["models"].keys(), metrics["chance"], metrics["dataset"], metrics["provenance"], metrics["rejected"]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: {in_words(error)}; {expected}") from error
    return metrics
