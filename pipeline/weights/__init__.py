"""Where a network's weights come from, and what is written down about them.

This file loads no torch. `store` finds, fetches and keeps weights, `readers` reads the formats they are published in,
and ``avr weights`` is the command line.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ParamsError
from pipeline.formats.provenance import Provenance
from pipeline.settings.environment import weights_folder
from pipeline.weights.sources import RANDOM, names_of

if TYPE_CHECKING:
    from torch import Tensor


def check_random_allowed(network: str, weights: str, allow_random: bool, source: str) -> None:
    """Refuse weights that are unknown, or random where features of a known quality are expected.

    Args:
        network: its name, which is that of its section of params.yaml.
        weights: the section's ``weights``: a name of a source or of imported weights, or the path of a file or folder.
        allow_random: the section's ``allow_random``.
        source: ``dataset.source``; the demo is meant to run on random weights.

    Raises:
        ParamsError: the weights are unknown, or they are random, the data set is no demo and ``allow_random`` is off.
    """
    known = names_of(network)
    if weights not in known and not is_kept(network, weights) and not is_file_of_weights(weights):
        raise ParamsError(
            f"{network}.weights: {weights!r} is unknown; expected one of: {', '.join(known)}; or the name of imported "
            "weights, or the path of a file"
        )
    if weights == RANDOM and source != "demo" and not allow_random:
        raise ParamsError(
            f"{network}.weights: 'random' with dataset.source={source!r}; random weights give no published quality; "
            f"expected pretrained weights, or -S {network}.allow_random=true to go on all the same"
        )


def kept_file(network: str, name: str) -> Path:
    """Return where a set of weights is kept, whether it is there or not."""
    return weights_folder() / f"{network}.{name}.safetensors"


def is_kept(network: str, weights: str) -> bool:
    """Return whether the folder of weights has a set of this name."""
    return weights == Path(weights).name and kept_file(network, weights).is_file()


def is_file_of_weights(path: str) -> bool:
    """Return whether something lies at a path; a TensorFlow checkpoint of several files is named by what they share."""
    return Path(path).exists() or Path(f"{path}.index").exists()


def provenance(weights: str, state: Mapping[str, "Tensor"], **choices: str | float | bool) -> Provenance:
    """Return what metrics.json says about a network: scalars only.

    Args:
        weights: the section's ``weights``.
        state: the state dict that the network was built from.
        choices: what else shapes the features or tells of the weights, such as ``seed``, ``final_relu`` or ``url``.

    Returns:
        ``weights``, ``sha256`` (64 hex digits, see `state_sha256`) and the choices.
    """
    return {"weights": weights, "sha256": state_sha256(state), **choices}


def state_sha256(state: Mapping[str, "Tensor"]) -> str:
    """Return the SHA-256 of the bytes of all tensors, in the order of their sorted names, each after its name.

    Args:
        state: tensors of any shape, dtype and memory order; the hash reads them in row-major order.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].cpu().contiguous().numpy().data)
    return digest.hexdigest()
