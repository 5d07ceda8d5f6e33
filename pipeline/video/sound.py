"""The sound of a media file, in one piece or in blocks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import soxr
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.video.media import Media, reading
from pipeline.video.track import Track

Kind = tuple[str, int, int]  # sample format, number of channels, rate in Hz: a stream may change them on its way
_BLOCK_SECONDS = 60.0
_HOLE_SECONDS, _LOST_SECONDS = 0.1, 1.0  # of missing sound: what is filled with silence, what refuses the clip
_MAX_PLANES = 7  # PyAV reads past the planes of a frame that has more


def read_waveform(path: Path, sample_rate: int = 16000) -> NDArray[np.float32]:
    """Return the sound of a clip, its channels averaged.

    Args:
        path: the media file.
        sample_rate: rate to return, in Hz.

    Returns:
        float32 (n_samples,) in [-1, 1].

    Raises:
        ClipError: as ``iter_waveform`` does.
    """
    blocks = [block for _, block in iter_waveform(path, sample_rate)]
    return np.concatenate([np.empty(0, np.float32), *blocks])


def iter_waveform(
    path: Path, sample_rate: int = 16000, block_seconds: float = _BLOCK_SECONDS
) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Yield the sound of a clip in blocks, its channels averaged, whatever its length in bounded memory.

    Where up to a second of packets is missing there is silence, so that the rest keeps its time.

    Args:
        path: the media file.
        sample_rate: rate to return, in Hz.
        block_seconds: about how much to decode at a time; the samples do not depend on it.

    Yields:
        When the block starts, in seconds from the earlier of the first sample and the first picture, and float32
        (n_samples,) in [-1, 1].

    Raises:
        ClipError: the file is no media, damaged, cut short or has no sound.
    """
    with reading(path, "audio") as media:
        if media.sound is None or not len(media.sound):
            raise ClipError(str(path), "no_audio", "no audio in the file", "an audio stream")
        start_seconds, n_done = media.since_start_seconds(media.sound), 0
        for (_, _, rate), parts in itertools.groupby(_parts(media, media.sound), lambda part: part[0]):
            blocks = _blocks((samples for _, samples in parts), round(block_seconds * rate))
            for block in blocks if rate == sample_rate else _resampled(blocks, rate, sample_rate):
                yield start_seconds + n_done / sample_rate, np.clip(block, -1, 1)
                n_done += len(block)


def _parts(media: Media, track: Track) -> Iterator[tuple[Kind, NDArray[np.float32]]]:
    """The samples (n_samples,) of each frame, its channels averaged, and silence where frames are missing."""
    kind, end_seconds, to_float = ("", 0, 0), float("inf"), av.AudioResampler()
    for frame in _frames(media, track):
        if kind != (kind := (frame.format.name, frame.layout.nb_channels, frame.sample_rate)):
            to_float = av.AudioResampler("fltp" if kind[1] <= _MAX_PLANES else "flt")
        if frame.pts is not None:
            start_seconds = track.seconds(frame.pts)
            if start_seconds - end_seconds > _HOLE_SECONDS:
                yield kind, _silence(media, kind, end_seconds, start_seconds)
            end_seconds = start_seconds + frame.samples / frame.sample_rate
        n_kept = _n_kept(frame, track)
        for part in to_float.resample(frame):
            yield kind, _mono(part, kind[1])[:n_kept]


def _mono(frame: av.AudioFrame, n_channels: int) -> NDArray[np.float32]:
    """The mean (n_samples,) of the channels of a frame of floats: a plane a channel, or one plane of all in turn."""
    planes: list[Any] = list(frame.planes)
    if len(planes) < n_channels:
        packed = np.frombuffer(planes[0], np.float32, frame.samples * n_channels)
        return np.asarray(packed.reshape(-1, n_channels).mean(axis=1))
    total = sum(np.frombuffer(plane, np.float32, frame.samples) for plane in planes)
    return np.asarray(total / np.float32(n_channels))


def _frames(media: Media, track: Track) -> Iterator[av.AudioFrame]:
    """What the decoder makes of all packets."""
    for packet in itertools.chain(media.packets(track), [None]):
        yield from media.decode(track, packet)


def _silence(media: Media, kind: Kind, start_seconds: float, end_seconds: float) -> NDArray[np.float32]:
    """Zeros (n_samples,) for a hole in the sound."""
    rate = kind[2]
    if (missing_seconds := end_seconds - start_seconds) > _LOST_SECONDS:
        problem = f"{missing_seconds:.2f} s of sound missing at {start_seconds:.2f} s"
        raise ClipError(str(media.path), "undecodable", problem, f"at most {_LOST_SECONDS:g} s missing")
    return np.zeros(round(missing_seconds * rate), np.float32)


def _n_kept(frame: av.AudioFrame, track: Track) -> int:
    """How many samples of a frame are sound: the last packet ends before the padding of the last frame."""
    if frame.pts is None or track.end is None:
        return frame.samples
    n_left = round(track.seconds(track.end - frame.pts) * frame.sample_rate)
    return n_left if 0 < n_left < frame.samples else frame.samples


def _blocks(parts: Iterable[NDArray[np.float32]], block_length: int) -> Iterator[NDArray[np.float32]]:
    """The samples, some parts at a time."""
    waiting, n_samples = list[NDArray[np.float32]](), 0
    for part in parts:
        waiting.append(part)
        n_samples += len(part)
        if n_samples >= block_length:
            yield np.concatenate(waiting)
            waiting, n_samples = [], 0
    if waiting:
        yield np.concatenate(waiting)


def _resampled(blocks: Iterable[NDArray[np.float32]], rate: int, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """The blocks at another rate, as if they had been one."""
    resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.empty(0, np.float32), last=True)
