"""Decoded clips become a network's vectors over time: all clips, as the stage `network` does, or one file.

Without clips torch is not loaded, and where all clips are in the cache no weights are.
"""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.loop import Job, has_rows, map_shards, write_nothing
from pipeline.clip_jobs.share import Share
from pipeline.errors import DataError
from pipeline.extraction.decoding import decode_file
from pipeline.formats.provenance import Provenance, write_provenance
from pipeline.formats.shards import Rows
from pipeline.network_parts.base import check_line, network_lines, network_params, network_part
from pipeline.settings.environment import cache_folder
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.limits import clip_limits
from pipeline.settings.params import read_section
from pipeline.settings.paths import AnyPath
from pipeline.weights import check_random_allowed

if TYPE_CHECKING:
    from pipeline.network_parts.inference import Embedder
    from pipeline.weights.lazy import LazyWeights


def modules_behind(name: str) -> list[str]:
    """Return the modules that decide a network's vectors, besides its params and weights.

    Example:
        >>> modules_behind("vggish")
        ['pipeline.network_parts.inference', 'pipeline.networks.vggish.network']
    """
    return ["pipeline.network_parts.inference", f"pipeline.networks.{name}.network"]


class ChosenNetwork:
    """A network with the weights and params that params.yaml gives it.

    Args:
        name: of the network.

    Raises:
        ParamsError: there is no such network, its line or section is wrong, or its weights are not allowed.
    """

    def __init__(self, name: str) -> None:
        lines = network_lines()
        if name in lines:
            check_line(name, lines[name])
        self.name, self.params = name, network_params(name)
        source = str(read_section("dataset.source"))
        check_random_allowed(name, self.params.weights, self.params.allow_random, source)

    @cached_property
    def facts(self) -> Provenance:
        """What metrics.json says about it: its weights and all that decides a result besides the code.

        Raises:
            DataError, ParamsError: the weights, or another file that it needs, are not there or damaged.
        """
        extra: Provenance = network_part(self.name, "about").extra_facts(self.params)
        return self._weights.facts | self.params.choices | extra

    def rows_of(self, arrays: Mapping[str, Rows]) -> Rows:
        """Return the rows (n, ...) of a clip that the network takes, out of the arrays that its inputs have."""
        rows: Rows = network_part(self.name, "network").rows_of(arrays)
        return rows

    @cached_property
    def embedder(self) -> "Embedder":
        """What turns a stream of (clip_id, rows) into one of (clip_id, vectors), each (n_rows, width) float32."""
        from pipeline.network_parts import inference
        from pipeline.settings.device import chosen_device

        device = chosen_device()  # before weights are made: a wrong name should not take a minute to show
        return inference.embedder(self.name, self._weights.state, self.params, device)

    @cached_property
    def _weights(self) -> "LazyWeights":
        from pipeline.weights.lazy import lazy_weights

        return lazy_weights(self.name, self.params)


def embed_folder(name: str, inputs: AnyPath, out: AnyPath, share: Share) -> None:
    """Write shards of a network's ``embeddings`` (n, width) float32 and ``seconds`` (n,) float64, and provenance.json.

    Args:
        name: of the network.
        inputs: what the stage wrote whose arrays the network reads.
        out: the folder to write.
        share: the clips to compute.

    Raises:
        DataError: inputs or weights are missing or damaged.
        ParamsError: params.yaml or an environment variable is wrong.
    """
    if not Path(inputs).is_dir():
        raise DataError(f"{inputs}: no such folder; expected what the stage of that name has written")
    if not has_rows(inputs):
        write_nothing(out)
        write_provenance(out, {})
        return
    of_run = clip_limits()
    limits = of_run.max_rejected_fraction, of_run.clip_timeout_seconds
    network = ChosenNetwork(name)
    made_by = fingerprint(network.facts, modules_behind(name))
    job = Job(name, ClipCache(cache_folder() / "clips" / name, made_by), Path(out), share)
    map_shards(job, inputs, network.rows_of, lambda: network.embedder, *limits)
    if job.is_whole:
        write_provenance(out, network.facts)


def embed_file(network: ChosenNetwork, path: AnyPath) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return what a network makes of the sound or the pictures of one video: vectors (n, width), seconds (n,).

    Args:
        network: may be asked for many files, and is loaded once.
        path: of the video.

    Raises:
        ClipError: the video cannot be used.
        OSError: it cannot be read.
    """
    arrays = decode_file(network_part(network.name, "about").INPUTS, path)
    [(_, vectors)] = network.embedder([(os.fspath(path), network.rows_of(arrays))])
    return vectors, arrays["seconds"]
