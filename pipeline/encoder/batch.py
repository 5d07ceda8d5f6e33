"""Many files through an encoder: what is finished comes from the clip cache, and a refused file costs itself alone."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.engines import prepare
from pipeline.clip_jobs.loop import in_workers
from pipeline.clip_jobs.settle import Settler
from pipeline.encoder.encoder import Encoder, TimeArray, VectorArray
from pipeline.encoder.inputs import STAGE_OF, clip_of, is_still, no_sound, still_arrays
from pipeline.errors import ClipError, DataError, printable
from pipeline.extraction import decoding, embedding
from pipeline.extraction.embedding import ChosenNetwork
from pipeline.features.clip_vectors import mean_over_time
from pipeline.formats.clips import Clip
from pipeline.formats.rejects import Reject
from pipeline.formats.shards import Arrays, Rows, arrays_sha256
from pipeline.network_parts.base import Modality
from pipeline.settings.environment import finished_clips
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.limits import NO_TRACK, Limits
from pipeline.settings.params import StageParams
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track

MODALITIES: tuple[Modality, ...] = ("audio", "visual")
STILLS_BY = "pipeline.encoder.inputs"  # the module that decides what is kept of a still picture


@dataclass(frozen=True, kw_only=True)
class FileVectors:
    """What became of files: their joint vectors, and why a side of one cannot be used.

    Attributes:
        paths: n files, as they were given; one that gave nothing is not among them.
        sha256: of their bytes, in hex.
        audio: (n, k) float32, rows of length 1; NaN where a file has no usable sound.
        visual: (n, k) float32, rows of length 1; NaN where a file has no usable pictures.
        refused: a row for each side that cannot be used; that there is none is no refusal, as long as the other is.
    """

    paths: list[str]
    sha256: list[str]
    audio: NDArray[np.float32]
    visual: NDArray[np.float32]
    refused: list[Reject]

    def has(self, modality: Modality) -> NDArray[np.bool_]:
        """Return whether each file has a vector of a modality, (n,)."""
        rows: NDArray[np.float32] = getattr(self, modality)
        return ~np.isnan(rows[:, 0])


def encode_files(encoder: Encoder, paths: Iterable[AnyPath]) -> FileVectors:
    """Return the joint vectors of files: the ones that `Encoder.embed` gives of each.

    Vectors of networks, and what they read, are kept in the clip cache, where the stages' are too: a killed run goes on
    where it stopped, and clips of a data set that a run has seen are not computed again.

    Args:
        encoder: with networks.
        paths: of videos, sounds and pictures; one that comes twice counts once.

    Raises:
        DataError: the encoder has no networks, or weights are not those that it notes.
        DiskError, ParamsError: what every file would meet.
    """
    clips, refused = _hashed(paths)
    rows: dict[Modality, dict[str, NDArray[np.float32]]] = {}
    without: dict[str, list[ClipError]] = {}
    for modality in MODALITIES if clips else ():
        vectors, why = file_vectors(encoder, modality, clips)
        rows[modality] = _joint_rows(encoder, modality, vectors)
        for clip_id, error in why.items():
            without.setdefault(clip_id, []).append(error)
    usable = [clip for clip_id, clip in clips.items() if any(clip_id in of_side for of_side in rows.values())]
    refused += [
        Reject(printable(clip_id), "encode", error.kind, str(error))
        for clip_id, errors in without.items()
        for error in _that_count(errors)
    ]
    sides = {modality: _filled(rows.get(modality, {}), usable, encoder.width) for modality in MODALITIES}
    return FileVectors(
        paths=[clip.clip_id for clip in usable],
        sha256=[clip.sha256 for clip in usable],
        audio=sides["audio"],
        visual=sides["visual"],
        refused=refused,
    )


def file_vectors(
    encoder: Encoder, modality: Modality, clips: Mapping[str, Clip]
) -> tuple[Callable[[], Iterator[tuple[str, Arrays]]], dict[str, ClipError]]:
    """Return what reads the network's vectors of files over time, one file in memory at a time, and who is refused.

    Args:
        encoder: with networks.
        modality: ``audio`` or ``visual``.
        clips: the files by id, with absolute paths and hashes.

    Returns:
        A function that yields (id, arrays) of the other files, arrays by name: ``embeddings`` (n, width) float32 and
        ``seconds`` (n,) float64; and the refusals by id.
    """
    network, stage = encoder.network(modality), STAGE_OF[modality]
    decoded, refused = _decoded(encoder, stage, clips)
    made_by = fingerprint(network.facts, embedding.modules_behind(network.name))
    cache = ClipCache(finished_clips(network.name), made_by)
    inputs, lost = _hashes(decoded)
    if lost:  # damaged entries, which are removed by now
        decoded_now, refused_now = _decoded(encoder, stage, {clip_id: clips[clip_id] for clip_id in lost})
        decoded, refused, inputs = decoded | decoded_now, refused | refused_now, inputs | _hashes(decoded_now)[0]
    compute = partial(_embedded, network, cache, inputs, decoded)
    refused |= Settler(network.name, cache, inputs, compute, None).settle().refused

    def vectors() -> Iterator[tuple[str, Arrays]]:
        for clip_id, digest in inputs.items():
            if clip_id not in refused:
                yield clip_id, cache.read(clip_id, digest)

    return vectors, refused


class EncoderInWorkers(Encoder):
    """An encoder that decodes files as `encode_files` does: in processes that can be killed, within the run's limits.

    Vectors of networks come from the clip cache where they are known, so that a file is embedded once.
    """

    def file_vectors(self, modality: Modality, path: AnyPath) -> tuple[VectorArray, TimeArray]:
        """Return the vectors (n, width) float32 of one side of a file over time, and the seconds (n,) float64 of each.

        Args:
            modality: as `Encoder.file_vectors` takes it, with its errors.
            path: of the file.
        """
        clip = clip_of(path)
        vectors, refused = file_vectors(self, modality, {clip.clip_id: clip})
        if refused:
            raise refused[clip.clip_id]
        ((_, arrays),) = vectors()
        return arrays["embeddings"], arrays["seconds"]


def _hashes(decoded: Mapping[str, Callable[[], Arrays]]) -> tuple[dict[str, str], list[str]]:
    """The hash of the arrays of each file, and the files whose arrays cannot be read."""
    hashes, lost = dict[str, str](), list[str]()
    for clip_id, read in decoded.items():
        try:
            hashes[clip_id] = arrays_sha256(read())
        except DataError:
            lost.append(clip_id)
    return hashes, lost


def _hashed(paths: Iterable[AnyPath]) -> tuple[dict[str, Clip], list[Reject]]:
    """The files by their paths, and those that cannot be read."""
    clips: dict[str, Clip] = {}
    refused = []
    for path in track(list(dict.fromkeys(map(str, paths))), "hash", "file"):
        try:
            path.encode()
            clips[path] = clip_of(path)
        except UnicodeEncodeError:
            reason = f"{printable(path)}: the bytes of its name are no UTF-8; expected a name that a table can hold"
            refused.append(Reject(printable(path), "encode", "bad_name", reason))
        except (OSError, DataError) as error:
            problem = error.strerror if isinstance(error, OSError) else str(error)
            reason = f"{path}: {problem}; expected a file that can be read"
            refused.append(Reject(printable(path), "encode", "unreadable", printable(reason)))
    return clips, refused


def _decoded(
    encoder: Encoder, stage: str, clips: Mapping[str, Clip]
) -> tuple[dict[str, Callable[[], Arrays]], dict[str, ClipError]]:
    """What reads the arrays of each file that can be used, and why the others cannot; still pictures apart."""
    params, limits = encoder.decoder.params(stage), encoder.config.limits
    modules = decoding.modules_behind(stage)
    stills = {i: clip for i, clip in clips.items() if is_still(clip.path)}
    videos = {i: clip for i, clip in clips.items() if i not in stills}
    both = [STILLS_BY, *map("pipeline.{}".format, STAGE_OF.values())]  # of both stages, once
    prepare(["pipeline.clip_jobs.loop", *decoding.loaded_by_workers(both)])
    read: dict[str, Callable[[], Arrays]] = {}
    refused: dict[str, ClipError] = {}
    if stage != STAGE_OF["visual"]:
        refused, stills = {i: no_sound(i) for i in stills}, {}
    kinds = (
        (videos, decoding.clip_function(stage, params, limits), fingerprint(params.model_dump(), modules)),
        (
            stills,
            partial(_still, params=params, limits=limits),
            fingerprint({**params.model_dump(), "still": True}, [*modules, STILLS_BY]),
        ),
    )
    for chosen, function, made_by in kinds:
        cache = ClipCache(finished_clips(stage), made_by)
        compute = in_workers(chosen, "/", function, cache, encoder.config.clip_timeout_seconds, limits)
        inputs = {clip_id: clip.sha256 for clip_id, clip in chosen.items()}
        refused |= Settler(stage, cache, inputs, compute, limits).settle().refused
        read |= {i: partial(cache.read, i, digest) for i, digest in inputs.items() if i not in refused}
    return read, refused


def _still(clip: Clip, path: Path, params: StageParams, limits: Limits) -> Arrays:
    """What is kept of a still picture; called in a worker."""
    return still_arrays(clip.clip_id, path, params, limits)


def _embedded(
    network: ChosenNetwork,
    cache: ClipCache,
    inputs: Mapping[str, str],
    decoded: Mapping[str, Callable[[], Arrays]],
    clip_ids: Sequence[str],
) -> Iterator[tuple[str, ClipError | None]]:
    """Put the vectors of files into the cache, whose rows go through the network together."""
    seconds: dict[str, NDArray[np.float64]] = {}

    def rows() -> Iterator[tuple[str, Rows]]:
        for clip_id in clip_ids:
            arrays = decoded[clip_id]()
            seconds[clip_id] = arrays["seconds"]
            yield clip_id, network.rows_of(arrays)

    for clip_id, vectors in network.embedder(rows()):
        cache.write(inputs[clip_id], {"embeddings": vectors, "seconds": seconds.pop(clip_id)})
        yield clip_id, None


def _joint_rows(
    encoder: Encoder, modality: Modality, vectors: Callable[[], Iterator[tuple[str, Arrays]]]
) -> dict[str, NDArray[np.float32]]:
    """The joint vector (k,) of each file that has vectors over time."""
    means = {i: mean_over_time([(i, arrays["embeddings"])], [i])[0] for i, arrays in vectors()}
    if not means:
        return {}
    rows = encoder.joint_means(modality, np.stack(list(means.values())))
    return dict(zip(means, rows, strict=True))


def _that_count(errors: Sequence[ClipError]) -> list[ClipError]:
    """The refusals of one file to note: not that it has no sound, or no pictures, where it has the other side."""
    counting = list({str(error): error for error in errors if error.kind not in NO_TRACK}.values())
    return counting or (list(errors[:1]) if len(errors) == len(MODALITIES) else [])


def _filled(rows: Mapping[str, NDArray[np.float32]], clips: Sequence[Clip], width: int) -> NDArray[np.float32]:
    """Rows (n, width) in the order of the files, NaN where there is none."""
    nothing = np.full(width, np.nan, np.float32)
    return np.array([rows.get(clip.clip_id, nothing) for clip in clips], np.float32).reshape(-1, width)
