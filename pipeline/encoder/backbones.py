"""The networks of an encoder, with the very weights that it was trained on: they are found by their hash."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline.encoder.config import NotedNetwork, first_problem
from pipeline.errors import DataError, PipelineError
from pipeline.extraction.embedding import ChosenNetwork
from pipeline.formats.provenance import Provenance
from pipeline.network_parts.base import NetworkParams, network_part
from pipeline.settings.environment import weights_folder
from pipeline.settings.paths import AnyPath
from pipeline.weights import kept_file
from pipeline.weights.sources import RANDOM, SOURCES

if TYPE_CHECKING:
    from pipeline.weights.readers import State

WEIGHTS = "weights"  # the folder within an encoder's, of weights that were copied in
OF_WEIGHTS = ("weights", "sha256", "seed", "url", "licence")  # facts that say which weights they are


class FoundWeights:
    """The weights that an encoder notes: copied into its folder, kept on this machine, made again, or fetched.

    Args:
        noted: what the encoder's config says of the network.
        folder: of the encoder.
    """

    def __init__(self, noted: NotedNetwork, folder: AnyPath) -> None:
        self._noted, self._folder = noted, Path(folder)

    @property
    def facts(self) -> Provenance:
        """What the encoder notes about them; `state` gives no others."""
        return {name: self._noted.facts[name] for name in OF_WEIGHTS if name in self._noted.facts}

    @cached_property
    def state(self) -> "State":
        """The tensors by name.

        Raises:
            DataError: they are nowhere to be found, or are others than those noted.
            ParamsError: they are not here and cannot be fetched.
        """
        from pipeline.weights import state_sha256

        state, place = self._found()
        digest, noted = state_sha256(state), str(self._noted.facts["sha256"])
        if digest != noted:
            problem = f"{self._noted.name}: weights of SHA-256 {digest[:12]} ({place})"
            raise DataError(f"{problem}; expected {noted[:12]}, which the encoder was trained with: {_ADVICE}")
        return state

    def _found(self) -> "tuple[State, str]":
        """The tensors, and where they are from; the nearest place first."""
        from pipeline.weights import store

        packed = packed_file(self._folder, self._noted.name)
        if packed.exists():
            return _read_packed(packed), str(packed)
        name, network = str(self._noted.facts["weights"]), self._noted.name
        if name == RANDOM:
            seed = int(self._noted.facts["seed"])
            random_state = network_part(network, "random_weights").random_state
            return random_state(seed), f"made again from seed {seed}; another kind of processor rounds otherwise"
        kept = _kept_by_hash(network, str(self._noted.facts["sha256"]))
        if kept is None and name in SOURCES:
            store.fetch(name)
            kept = kept_file(network, name)
        if kept is None:
            raise DataError(f"{network}: no weights {name!r} in {weights_folder()}; expected them there: {_ADVICE}")
        return store.read(kept)[0], str(kept)


_ADVICE = "`avr weights import FILE` keeps a file of weights, and `avr encoder pack --with-weights` sends them along"


def packed_file(folder: AnyPath, network: str) -> Path:
    """Return where a network's weights lie in an encoder's folder, if they were copied into it."""
    return Path(folder) / WEIGHTS / f"{network}.safetensors"


def ready_network(noted: NotedNetwork, folder: AnyPath) -> ChosenNetwork:
    """Return the network that an encoder notes; its weights are looked for when they are needed.

    Args:
        noted: what the encoder's config says of the network.
        folder: of the encoder.

    Raises:
        DataError: its params are wrong, or a file that it needs besides its weights is another one.
        ParamsError: there is no such network.
    """
    about = network_part(noted.name, "about")
    try:
        params: NetworkParams = about.PARAMS.model_validate(noted.params)
    except ValidationError as error:
        raise DataError(
            f"network {noted.name!r}: {first_problem(error)}; expected its params as the encoder notes them"
        ) from error
    network = ChosenNetwork(noted.name, params, FoundWeights(noted, folder))
    if network.facts != noted.facts:
        raise DataError(f"network {noted.name!r}: {network.facts}; expected {noted.facts}, as the encoder notes")
    return network


def _kept_by_hash(network: str, digest: str) -> Path | None:
    """The kept set of a network whose tensors have a hash, whatever it is called."""
    from pipeline.weights.records import read_record
    from pipeline.weights.store import kept_files

    for path in kept_files():
        try:
            if path.name.startswith(f"{network}.") and read_record(path)["state_sha256"] == digest:
                return path
        except PipelineError:
            continue  # a damaged note is none of ours; `avr weights verify` says so
    return None


def _read_packed(path: Path) -> "State":
    """The tensors of a file in an encoder's folder."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from pipeline.settings.regular_files import check_regular

    try:
        check_regular(path)
        state: State = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: {error}; expected the weights that were copied into the encoder") from error
    return state
