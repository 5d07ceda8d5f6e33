"""Rows of many clips through one network, in batches of one size."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.errors import DataError, ParamsError
from pipeline.formats.shards import Rows
from pipeline.network_parts.base import NetworkParams

HALF = (
    torch.float16
)  # on CUDA; bfloat16, which is as fast, leaves a cosine of 0.997 between some features and full precision's


class Span(NamedTuple):
    """Rows ``start`` to ``stop`` of a batch; they belong to one clip, and ``last`` when they complete it."""

    clip_id: str
    start: int
    stop: int
    last: bool


Batch = tuple[Tensor, list[Span]]
Vectors: TypeAlias = NDArray[np.float32]  # (n_rows, width)
Embedder: TypeAlias = Callable[[Iterable[tuple[str, Rows]]], Iterator[tuple[str, Vectors]]]


def embedder(name: str, state: dict[str, Tensor], params: NetworkParams, device: torch.device) -> Embedder:
    """Return what turns a stream of (clip_id, rows) into one of (clip_id, vectors), each (n_rows, width) float32.

    Args:
        name: of the network, whose folder says how it is built, how many rows it takes at a time and what is done to
            its vectors.
        state: its weights, by name.
        params: its section.
        device: where to run.
    """
    module = import_module(f"pipeline.networks.{name}.network")
    network, batch_size = module.build(state, params), module.BATCH_SIZES[device.type]
    embed = partial(embed_clips, network=network, batch_size=batch_size, device=device)
    finish = module.postprocessing(params)
    return embed if finish is None else lambda clips: ((clip_id, finish(rows)) for clip_id, rows in embed(clips))


def embed_clips(
    clips: Iterable[tuple[str, Rows]], network: nn.Module, batch_size: int, device: torch.device
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield each clip's id and its rows as the network sees them, in order, a clip as soon as its last row is done.

    Rows of neighbouring clips share a batch, and every batch has the same size (zeros fill up the last one): matrix
    products of other sizes add in another order. So on a CPU, with one batch size and number of threads, the bytes of
    a row depend on that row alone, and a run that was stopped goes on as if it had not been.

    Args:
        clips: pairs of an id and an array (n_rows, ...), in memory or not; the shape after the first axis and the dtype
            never change.
        network: takes (batch_size, ...) and returns (batch_size, d) for rows that do not affect each other; it is
            moved to the device. On CUDA it runs in float16 where PyTorch holds that safe.
        batch_size: rows a batch; of a large network 8 to 32 are the fastest on a CPU, hundreds on a GPU.
        device: where to run.

    Yields:
        The id and a float32 array (n_rows, d).

    Raises:
        ParamsError: the batch size is not positive.
        DataError: a clip has no rows, or its rows differ from those before in shape or dtype.
    """
    if batch_size < 1:
        raise ParamsError(f"batch_size={batch_size}; expected at least 1")
    network = network.to(device).eval()
    parts: list[NDArray[np.float32]] = []
    for features, spans in _features(_batches(clips, batch_size, device.type == "cuda"), network, device):
        for span in spans:
            parts.append(features[span.start : span.stop])
            if span.last:
                yield span.clip_id, np.concatenate(parts)
                parts = []


def _batches(clips: Iterable[tuple[str, Rows]], batch_size: int, pinned: bool) -> Iterator[Batch]:
    """Rows in batches, each with the spans of the clips in it; the unused end of the last one is zero."""
    batch, spans = torch.empty(0), list[Span]()
    for span, rows in _pieces(clips, batch_size):
        if span.start == 0:
            dtype = torch.from_numpy(np.empty(0, rows.dtype)).dtype
            batch = torch.zeros((batch_size, *rows.shape[1:]), dtype=dtype, pin_memory=pinned)
        batch.numpy()[span.start : span.stop] = rows
        spans.append(span)
        if span.stop == batch_size:
            yield batch, spans
            spans = []
    if spans:
        yield batch, spans


def _pieces(clips: Iterable[tuple[str, Rows]], batch_size: int) -> Iterator[tuple[Span, NDArray[Any]]]:
    """Each clip's rows, cut where a batch is full."""
    start, kind = 0, None
    for clip_id, rows in clips:
        kind = kind or (rows.shape[1:], rows.dtype)
        _check_rows(clip_id, rows, *kind)
        done = 0
        while done < len(rows):
            piece = rows[done : done + batch_size - start]
            done += len(piece)
            yield Span(clip_id, start, start + len(piece), last=done == len(rows)), piece
            start = (start + len(piece)) % batch_size


def _check_rows(clip_id: str, rows: Rows, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse rows that cannot share a batch with those of the first clip."""
    if not rows.shape or len(rows) == 0:
        raise DataError(f"clip {clip_id!r}: an array of shape {rows.shape}; expected at least one row")
    if rows.shape[1:] != shape or rows.dtype != dtype:
        raise DataError(
            f"clip {clip_id!r}: rows of shape {rows.shape[1:]}, {rows.dtype}; "
            f"expected {shape}, {dtype} as in the first clip"
        )


def _features(
    batches: Iterator[Batch], network: nn.Module, device: torch.device
) -> Iterator[tuple[NDArray[np.float32], list[Span]]]:
    """The network's rows for each batch; a GPU gets its next batch before the last one's rows are waited for."""
    n_ahead = 1 if device.type == "cuda" else 0
    in_flight = deque[Batch]()
    for batch, spans in batches:
        in_flight.append((_forward(network, batch, device), spans))
        if len(in_flight) > n_ahead:
            features, spans = in_flight.popleft()
            yield features.cpu().numpy(), spans
    for features, spans in in_flight:
        yield features.cpu().numpy(), spans


@torch.inference_mode()
def _forward(network: nn.Module, batch: Tensor, device: torch.device) -> Tensor:
    """One batch through the network; on CUDA this returns before the work is done."""
    on_gpu = device.type == "cuda"
    with torch.autocast(device.type, dtype=HALF, enabled=on_gpu):
        features: Tensor = network(batch.to(device, non_blocking=True))
    return features.float()
