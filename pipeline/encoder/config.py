"""config.json: all that an encoder needs besides its tensors and the networks' weights, and where it comes from."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from pipeline.errors import DataError
from pipeline.features.clip_vectors import FeaturesParams
from pipeline.formats.files import file_sha256
from pipeline.network_parts.base import Modality
from pipeline.settings.json_text import parse_json
from pipeline.settings.limits import Limits
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

CONFIG, TENSORS, CARD = "config.json", "model.safetensors", "README.md"
FORMAT = 1  # of the folder; counts up where an older program would read it wrongly
LARGEST_CONFIG_BYTES = 1 << 26
EXPECTED = "expected the folder of an encoder, as the stage `encoder` writes it"
Section: TypeAlias = dict[str, str | int | float | bool | None]
NotedFacts: TypeAlias = dict[str, str | int | float | bool]  # what provenance.json holds


class NotedPart(BaseModel):
    """A part of config.json: frozen, and no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NotedModel(NotedPart):
    """The model whose fits an encoder holds.

    Attributes:
        name: of the model, such as ``dual_subspace``.
        params: what it was made with.
        seeds: one fit each.
        width: of a joint vector.
    """

    name: str
    params: dict[str, Any]
    seeds: Annotated[list[int], Field(min_length=1)]
    width: PositiveInt


class NotedNetwork(NotedPart):
    """A network whose vectors a model starts from.

    Attributes:
        name: of the network, such as ``vggish``.
        params: its section of params.yaml; its weights by the name that they are kept under.
        facts: its weights with their SHA-256, and all else that decides its vectors.
    """

    name: str
    params: Section
    facts: NotedFacts


class EncoderConfig(NotedPart):
    """The content of config.json.

    Attributes:
        format: of the folder.
        model: the model whose fits it holds.
        classes: what the model was trained to tell apart, sorted.
        feature_widths: of the features of each modality.
        decoding: sections of params.yaml by decoding stage, ``logmel`` and ``frames``; empty where features were
            imported.
        networks: by modality; empty where features were imported.
        features: section ``features``; None where features were imported.
        limits: what a file may ask for.
        clip_timeout_seconds: how long decoding a file may take.
        provenance: the data set, versions and devices, as metrics.json has them.
        metrics: of the model and of chance, as metrics.json has them.
        model_sha256: of the file with the tensors.
    """

    format: int
    model: NotedModel
    classes: list[str]
    feature_widths: dict[Modality, PositiveInt]
    decoding: dict[str, Section]
    networks: dict[Modality, NotedNetwork]
    features: FeaturesParams | None
    limits: Limits
    clip_timeout_seconds: PositiveFloat
    provenance: dict[str, Any]
    metrics: dict[str, Any]
    model_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    @property
    def has_networks(self) -> bool:
        """Whether it can start from files; an encoder of imported features starts from features alone."""
        return bool(self.networks)

    def fingerprint(self, seed: int) -> str:
        """Return a hash of all that decides a vector: SHA-256, hex; what is only noted does not count.

        Args:
            seed: of the fit that is asked.
        """
        deciding = {"model", "decoding", "networks", "features", "model_sha256"}
        text = json.dumps([self.model_dump(mode="json", include=deciding), seed], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def config_text(config: EncoderConfig) -> str:
    """Return a config as it is written; equal ones give equal texts."""
    return json.dumps(config.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def read_config(folder: AnyPath) -> EncoderConfig:
    """Return the config of an encoder's folder, whose tensors are those that it notes.

    Raises:
        DataError: a file is missing, damaged, edited or of a newer format.
    """
    path = Path(folder) / CONFIG
    try:
        content = parse_json(read_regular(path, LARGEST_CONFIG_BYTES))
        _check_format(path, content)
        config = EncoderConfig.model_validate(content)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; {EXPECTED}") from error
    except ValidationError as error:
        raise DataError(f"{path}: {first_problem(error)}; {EXPECTED}") from error
    except ValueError as error:
        raise DataError(f"{path}: {error}; {EXPECTED}") from error
    _check_tensors(Path(folder) / TENSORS, config.model_sha256)
    return config


def _check_format(path: Path, content: object) -> None:
    """Refuse what a newer program wrote, whose keys this one does not know."""
    written = content.get("format") if isinstance(content, Mapping) else None
    if not isinstance(written, int) or isinstance(written, bool) or written < 1:
        raise DataError(f"{path}: format {written!r}; {EXPECTED}")
    if written > FORMAT:
        expected = f"at most {FORMAT}: a newer version of this project wrote it, and can read it"
        raise DataError(f"{path}: format {written}; expected {expected}")


def first_problem(error: ValidationError) -> str:
    """Return the first finding of pydantic in one line, with the key where it stands."""
    detail = error.errors()[0]
    return f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"


def _check_tensors(path: Path, noted: str) -> None:
    """Refuse a file of tensors that is not the one of its config."""
    try:
        found = file_sha256(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; {EXPECTED}") from error
    if found != noted:
        raise DataError(f"{path}: its SHA-256 begins with {found[:12]}; expected {noted[:12]}, as {CONFIG} notes")
