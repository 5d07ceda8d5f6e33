"""Weights that are loaded when they are needed: a run that finds every clip in the cache needs their hash only."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import torch
from pydantic import TypeAdapter

from pipeline.errors import DataError
from pipeline.formats.memory import recall, remember
from pipeline.formats.provenance import Provenance
from pipeline.network_parts.base import NetworkParams, network_part
from pipeline.settings.environment import cache_folder
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.paths import AnyPath
from pipeline.weights import kept_file
from pipeline.weights.readers import State
from pipeline.weights.records import read_record
from pipeline.weights.sources import RANDOM
from pipeline.weights.store import kept_name, load_or_make

_HASHES = TypeAdapter(dict[str, str])


class LazyWeights:
    """The weights that params.yaml names.

    Args:
        network: its name.
        weights: the section's ``weights``: ``random``, the name of a source, or a path.
        seed: of random weights.
        random_state: makes random weights of a seed.
        memory: JSON file that keeps the hashes of random weights, which take seconds to make.
        made_by: hash of the code that makes random weights.
    """

    def __init__(
        self,
        network: str,
        weights: str,
        seed: int,
        random_state: Callable[[int], State],
        memory: AnyPath,
        made_by: str,
    ) -> None:
        self._network, self._weights, self._seed, self._random_state = network, weights, seed, random_state
        self._memory, self._made_by = Path(memory), made_by

    @cached_property
    def facts(self) -> Provenance:
        """What metrics.json says about them, as `store.load_or_make` returns it.

        Raises:
            DataError, ParamsError: as `store.load_or_make`.
        """
        if self._weights == RANDOM:
            return self._remembered_facts()
        name = kept_name(self._network, self._weights)
        record = read_record(kept_file(self._network, name))
        return {"weights": name, "sha256": record["state_sha256"], "url": record["url"], "licence": record["licence"]}

    @property
    def state(self) -> State:
        """The tensors.

        Raises:
            DataError, ParamsError: as `store.load_or_make`; or they are not those that the facts are about.
        """
        state, facts = self._loaded
        if facts != self.facts:
            problem = f"{self._network}: weights of SHA-256 {facts['sha256']}, noted was {self.facts['sha256']}"
            raise DataError(f"{problem}; expected the same: delete {self._memory}")
        return state

    @cached_property
    def _loaded(self) -> tuple[State, Provenance]:
        return load_or_make(self._network, self._weights, self._seed, self._random_state)

    def _remembered_facts(self) -> Provenance:
        """Facts of random weights, from the memory; the machine is part of the key, as it may change the last bits."""
        machine = f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"
        key = f"{self._network} {self._seed} {self._made_by} {machine}"
        known = recall(self._memory, _HASHES)
        if key not in known:
            known[key] = str(self._loaded[1]["sha256"])
            remember(self._memory, _HASHES, known)
        return {"weights": RANDOM, "sha256": known[key], "seed": self._seed}


def lazy_weights(network: str, params: NetworkParams) -> LazyWeights:
    """Return the weights that the section of a network names, before anything of them is loaded or made."""
    random_state = network_part(network, "random_weights").random_state
    made_by = fingerprint({}, [f"pipeline.networks.{network}.random_weights"])
    memory = cache_folder() / "random_weights.json"
    return LazyWeights(network, params.weights, params.seed, random_state, memory, made_by)
