"""Decoded clips become a network's vectors over time: all clips, as the stage `network` does, or one file.

Without clips torch is not loaded, and where all clips are in the cache no weights are.
"""

import os
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.decoded_clips import EmbeddingCache, map_decoded
from pipeline.clip_jobs.loop import Job, has_rows, map_shards, write_nothing
from pipeline.clip_jobs.share import Share
from pipeline.errors import DataError
from pipeline.extraction import decoding as decoding_stages
from pipeline.extraction.decode_later import DecodingNote, decoding_fingerprint, decoding_of, read_note
from pipeline.extraction.network_workers import workers_beside_decoding, workers_of
from pipeline.formats.provenance import Provenance, write_provenance
from pipeline.formats.shards import Rows
from pipeline.network_parts.base import NetworkParams, check_line, network_lines, network_params, network_part
from pipeline.settings.environment import finished_clips
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.limits import clip_limits
from pipeline.settings.params import read_section
from pipeline.settings.paths import AnyPath
from pipeline.weights import check_random_allowed

if TYPE_CHECKING:
    from pipeline.network_parts.inference import Embedder
    from pipeline.weights.readers import State


def modules_behind(name: str) -> list[str]:
    """Return the modules that decide a network's vectors, besides its params and weights.

    Example:
        >>> modules_behind("vggish")
        ['pipeline.network_parts.inference', 'pipeline.networks.vggish.network']
    """
    return ["pipeline.network_parts.inference", f"pipeline.networks.{name}.network"]


class Weights(Protocol):
    """The weights of a network, and what is known of them before they are loaded."""

    @property
    def facts(self) -> Provenance:
        """What metrics.json says about them."""

    @property
    def state(self) -> "State":
        """The tensors by name."""


class ChosenNetwork:
    """A network with its weights and params.

    Args:
        name: of the network.
        params: its section; None: that of params.yaml, where its line and its weights are checked too.
        weights: where they come from; None: from where the section says.

    Raises:
        ParamsError: there is no such network, its line or section is wrong, or its weights are not allowed.
    """

    def __init__(self, name: str, params: NetworkParams | None = None, weights: Weights | None = None) -> None:
        self.name, self.params = name, params or _params_of_the_run(name)
        self._given = weights

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

    @property
    def state(self) -> "State":
        """The tensors of its weights, by name, of the shapes that the network has."""
        return self._weights.state

    @cached_property
    def embedder(self) -> "Embedder":
        """What turns a stream of (clip_id, rows) into one of (clip_id, vectors), each (n_rows, width) float32."""
        from pipeline.network_parts import inference
        from pipeline.settings.device import chosen_device

        device = chosen_device()  # before weights are made: a wrong name should not take a minute to show
        return inference.embedder(self.name, self.state, self.params, device)

    def vectors(self, clip_id: str, arrays: Mapping[str, Rows]) -> NDArray[np.float32]:
        """Return the vectors (n, width) of one clip alone, out of the arrays that its inputs have."""
        [(_, vectors)] = self.embedder([(clip_id, self.rows_of(arrays))])
        return vectors

    @cached_property
    def _weights(self) -> Weights:
        if self._given is not None:
            return self._given
        from pipeline.weights.lazy import lazy_weights

        return lazy_weights(self.name, self.params)


def _params_of_the_run(name: str) -> NetworkParams:
    """The section of a network in params.yaml, if its line and its weights are right."""
    lines = network_lines()
    if name in lines:
        check_line(name, lines[name])
    params = network_params(name)
    check_random_allowed(name, params.weights, params.allow_random, str(read_section("dataset.source")))
    return params


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
    if (note := read_note(inputs)) is not None:
        _decode_and_embed(name, note, inputs, out, share)
        return
    if not has_rows(inputs):
        write_nothing(out)
        write_provenance(out, {})
        return
    of_run = clip_limits()
    limits = of_run.max_rejected_fraction, of_run.clip_timeout_seconds
    network = ChosenNetwork(name)
    made_by = fingerprint(network.facts, modules_behind(name))
    job = Job(name, ClipCache(finished_clips(name), made_by), Path(out), share)
    workers = partial(workers_of, name, network.params, lambda: network.state, out)
    map_shards(job, inputs, network.rows_of, lambda: network.embedder, *limits, workers)
    if job.is_whole:
        write_provenance(out, network.facts)


def _decode_and_embed(name: str, note: DecodingNote, inputs: AnyPath, out: AnyPath, share: Share) -> None:
    """Write what `embed_folder` writes, of clips that are decoded on the way."""
    out, network = Path(out), ChosenNetwork(name)
    if note.stage != (reads := network_part(name, "about").INPUTS):
        raise DataError(f"{inputs}: clips for what the stage {note.stage} makes; expected those of {reads}")
    decoding = decoding_of(note, inputs, out.absolute().parent)
    made_by = fingerprint({"network": network.facts, "inputs": decoding_fingerprint(note)}, modules_behind(name))
    job = Job(name, EmbeddingCache(finished_clips(name), made_by, decoding.cache), out, share)
    limits = note.max_rejected_fraction, note.uncounted
    workers = partial(workers_beside_decoding, note.stage, name, network.params, lambda: network.state, out)
    map_decoded(job, decoding, note.stage, network.rows_of, lambda: network.embedder, *limits, workers)
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
    arrays = decoding_stages.decode_file(network_part(network.name, "about").INPUTS, path)
    return network.vectors(os.fspath(path), arrays), arrays["seconds"]
