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
from pipeline.settings.paths import AnyPath
from pipeline.video.bounds import BOUNDS, Bounds
from pipeline.video.media import Media, reading
from pipeline.video.track import Track

Kind = tuple[str, int, int]  # sample format, number of channels, rate in Hz: a stream may change them on its way
Part = tuple[Kind, NDArray[np.float32]]
_BLOCK_SECONDS = 60.0
_HOLE_SECONDS, _LOST_SECONDS = 0.1, 1.0  # of missing sound: what is filled with silence, what refuses the clip
_MIXED_SECONDS = 1.0  # frames of this length together are mixed at once
_MAX_PLANES = 7  # PyAV reads past the planes of a frame that has more


def read_waveform(path: AnyPath, sample_rate: int = 16000) -> NDArray[np.float32]:
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
    path: AnyPath, sample_rate: int = 16000, block_seconds: float = _BLOCK_SECONDS, bounds: Bounds = BOUNDS
) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Yield the sound of a clip in blocks, its channels averaged, whatever its length in bounded memory.

    Where up to a second of packets is missing there is silence, so that the rest keeps its time.

    Args:
        path: the media file.
        sample_rate: rate to return, in Hz.
        block_seconds: about how much to decode at a time; the samples do not depend on it.
        bounds: what the file may ask for.

    Yields:
        When the block starts, in seconds from the earlier of the first sample and the first picture, and float32
        (n_samples,) in [-1, 1].

    Raises:
        ClipError: the file is no media, damaged, cut short, out of bounds or has no sound.
    """
    path = Path(path)
    with reading(path, "audio", bounds) as media:
        if media.sound is None or not len(media.sound):
            raise ClipError(str(path), "no_audio", "no audio in the file", "an audio stream")
        start_seconds, n_done = media.since_start_seconds(media.sound), 0
        every_part = _parts(media, media.sound, min(block_seconds, _MIXED_SECONDS))
        for (_, _, rate), parts in itertools.groupby(every_part, lambda part: part[0]):
            samples: Iterator[NDArray[np.float32]] = (samples for _, samples in parts)
            if rate != sample_rate:
                samples = _resampled(samples, rate, sample_rate)
            for block in _blocks(samples, round(block_seconds * sample_rate)):
                yield start_seconds + n_done / sample_rate, np.clip(block, -1, 1, out=block)
                n_done += len(block)
                bounds.check(path, "clip_seconds", n_done / sample_rate, "s of sound and more")


def _parts(media: Media, track: Track, mixed_seconds: float) -> Iterator[Part]:
    """The samples (n_samples,) of some frames at a time, channels averaged, and silence where frames are missing."""
    mixer, end_seconds = _Mixer(("", 0, 0), mixed_seconds), float("inf")
    for frame in _frames(media, track):
        kind = frame.format.name, frame.layout.nb_channels, frame.sample_rate
        start_seconds = end_seconds if frame.pts is None else track.seconds(frame.pts)
        is_after_hole = start_seconds - end_seconds > _HOLE_SECONDS
        if mixer.is_full or kind != mixer.kind or is_after_hole:
            yield from mixer.mixed()
        if kind != mixer.kind:
            mixer = _Mixer(kind, mixed_seconds)
        if is_after_hole:
            yield kind, _silence(media, kind, end_seconds, start_seconds)
        frame_end_seconds = start_seconds + frame.samples / kind[2]
        end_seconds = frame_end_seconds if end_seconds == float("inf") else max(end_seconds, frame_end_seconds)
        mixer.add(frame, _n_kept(frame, track, kind[2]))
    yield from mixer.mixed()


class _Mixer:
    """Frames of one kind on their way to one channel, many at a time: calls for each cost as much as decoding it."""

    def __init__(self, kind: Kind, mixed_seconds: float) -> None:
        self.kind = kind
        self._n_at_once = mixed_seconds * kind[2]
        self._fifo, self._n_padding = av.AudioFifo(), 0
        self._to_float = av.AudioResampler("fltp" if kind[1] <= _MAX_PLANES else "flt")

    @property
    def is_full(self) -> bool:
        """Whether the frames must be mixed before more are added."""
        return self._n_padding > 0 or self._fifo.samples >= self._n_at_once

    def add(self, frame: av.AudioFrame, n_kept: int) -> None:
        """Take a frame, of which the first samples are sound and the rest is padding."""
        frame.pts, self._n_padding = None, frame.samples - n_kept
        self._fifo.write(frame)

    def mixed(self) -> Iterator[Part]:
        """Yield the mean (n_samples,) of the channels of all frames taken, if there are any."""
        waiting = self._fifo.read()
        for frame in self._to_float.resample(waiting) if waiting else ():
            yield self.kind, _mean(frame, self.kind[1])[: frame.samples - self._n_padding]
        self._n_padding = 0


def _mean(frame: av.AudioFrame, n_channels: int) -> NDArray[np.float32]:
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


def _n_kept(frame: av.AudioFrame, track: Track, rate: int) -> int:
    """How many samples of a frame are sound: the last packet ends before the padding of the last frame.

    What a time says to within a tick, a millisecond in Matroska, takes nothing away.
    """
    if frame.pts is None or track.end is None:
        return frame.samples
    n_left = round(track.seconds(track.end - frame.pts) * rate)
    if not 0 < n_left < frame.samples:
        return frame.samples
    n_in_tick = max(1, round(track.seconds(1) * rate))
    return n_left if n_left <= frame.samples - n_in_tick else frame.samples


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


def _resampled(parts: Iterable[NDArray[np.float32]], rate: int, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """The parts at another rate, as if they had been one."""
    resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
    for part in parts:
        yield resampler.resample_chunk(part)
    yield resampler.resample_chunk(np.empty(0, np.float32), last=True)
