"""Waveforms become VGGish's log-mel examples, equal to AudioSet's own code to float32 precision.

Neither librosa's nor torchaudio's mel spectrogram is the right one: their triangles are straight in hertz, VGGish's are
straight in mel, and both centre the window inside the FFT, where VGGish starts it at the first sample.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from scipy import fft

from pipeline.errors import ClipError, DataError
from pipeline.formats.clips import Clip
from pipeline.settings.params import StageParams
from pipeline.settings.paths import AnyPath
from pipeline.video import BOUNDS, Bounds, iter_waveform

BLOCK = 4096  # spectrogram frames computed at a time
EXAMPLES_PER_BLOCK = 64  # of a stream, however its samples arrive


class LogMelParams(StageParams):
    """Section ``logmel`` of params.yaml; a name ends in its unit, and a sample rate is in Hz."""

    sample_rate: PositiveInt
    window_seconds: PositiveFloat
    hop_seconds: PositiveFloat
    n_mels: PositiveInt
    fmin_hz: NonNegativeFloat
    fmax_hz: PositiveFloat
    log_offset: PositiveFloat
    frames_per_example: PositiveInt
    example_hop_seconds: PositiveFloat

    @model_validator(mode="after")
    def _band_is_audible(self) -> Self:
        nyquist_hz = self.sample_rate / 2
        if not self.fmin_hz < self.fmax_hz <= nyquist_hz:
            raise ValueError(
                f"fmin_hz={self.fmin_hz}, fmax_hz={self.fmax_hz}; "
                f"expected fmin_hz < fmax_hz <= {nyquist_hz} (half of sample_rate)"
            )
        return self

    @model_validator(mode="after")
    def _window_holds_samples(self) -> Self:
        if self.window_length < 2:
            raise ValueError(
                f"window_seconds={self.window_seconds}; expected at least {2 / self.sample_rate}, two samples"
            )
        return self

    @model_validator(mode="after")
    def _hops_are_whole(self) -> Self:
        if not _is_whole(self.hop_seconds * self.sample_rate):
            raise ValueError(f"hop_seconds={self.hop_seconds}; expected a whole number of samples")
        if not _is_whole(self.example_hop_seconds / self.hop_seconds):
            raise ValueError(
                f"example_hop_seconds={self.example_hop_seconds}; expected a multiple of hop_seconds={self.hop_seconds}"
            )
        return self

    @property
    def window_length(self) -> int:
        """Samples under the window."""
        return round(self.window_seconds * self.sample_rate)

    @property
    def hop_length(self) -> int:
        """Samples from one spectrogram frame to the next."""
        return round(self.hop_seconds * self.sample_rate)

    @property
    def example_hop_frames(self) -> int:
        """Spectrogram frames from one example to the next."""
        return round(self.example_hop_seconds / self.hop_seconds)

    @property
    def example_seconds(self) -> float:
        """Shortest sound that makes an example."""
        return ((self.frames_per_example - 1) * self.hop_length + self.window_length) / self.sample_rate


PARAMS = LogMelParams  # by this name every decoding stage finds its section


def clip_arrays(clip: Clip, path: AnyPath, params: LogMelParams, bounds: Bounds = BOUNDS) -> dict[str, NDArray[Any]]:
    """Return ``examples`` (n, frames_per_example, n_mels) float32 and ``seconds`` (n,) of a clip.

    Args:
        clip: for the message.
        path: of its video.
        params: section ``logmel``.
        bounds: what the video may ask for.

    Raises:
        ClipError: the video has no sound that can be decoded, too little of it or too much.
    """
    return streamed_arrays(clip.clip_id, iter_waveform(path, params.sample_rate, bounds=bounds), params, bounds)


def log_mel_examples(waveform: NDArray[np.floating], params: LogMelParams) -> NDArray[np.float32]:
    """Return the log-mel examples of a sound; what is left over at the end is dropped.

    Args:
        waveform: (n_samples,), mono, in [-1, 1], at ``params.sample_rate``.
        params: section ``logmel``.

    Returns:
        (n, frames_per_example, n_mels) float32, natural logarithm of magnitudes; n is 0 where the sound is shorter than
        ``params.example_seconds``. Example k starts at ``k * params.example_hop_seconds``.

    Raises:
        DataError: the waveform is not one-dimensional.

    References:
        Hershey et al. (2017), CNN Architectures for Large-Scale Audio Classification, ICASSP; the exact numbers are
        those of the VGGish code in tensorflow/models, research/audioset.

    Example:
        >>> of_vggish = {"sample_rate": 16000, "window_seconds": 0.025, "hop_seconds": 0.010, "n_mels": 64}
        >>> rest = {"fmin_hz": 125, "fmax_hz": 7500, "log_offset": 0.01, "frames_per_example": 96}
        >>> params = LogMelParams(**of_vggish, **rest, example_hop_seconds=0.96)
        >>> log_mel_examples(np.zeros(10 * 16000), params).shape
        (10, 96, 64)
    """
    if waveform.ndim != 1:
        raise DataError(f"waveform has shape {waveform.shape}; expected (n_samples,), one channel")
    frames = log_mel_spectrogram(waveform, params)
    if len(frames) < params.frames_per_example:
        return np.empty((0, params.frames_per_example, params.n_mels), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(frames, params.frames_per_example, axis=0)
    return np.ascontiguousarray(windows[:: params.example_hop_frames].swapaxes(1, 2))


def streamed_arrays(
    clip_id: str, blocks: Iterable[tuple[float, NDArray[np.floating]]], params: LogMelParams, bounds: Bounds = BOUNDS
) -> dict[str, NDArray[Any]]:
    """Return what is kept of a clip, whose sound arrives in blocks; their lengths do not matter.

    Args:
        clip_id: for the message.
        blocks: (seconds, samples): when the block starts, and (n_samples,) mono in [-1, 1] at ``params.sample_rate``.
        params: section ``logmel``.
        bounds: of the examples.

    Returns:
        ``examples`` as of ``log_mel_examples``, ``seconds`` (n,) float64 of their starts.

    Raises:
        ClipError: the sound is too short for one example, or makes too many.
    """
    start_seconds, n_samples = 0.0, 0

    def samples() -> Iterator[NDArray[np.floating]]:
        nonlocal start_seconds, n_samples
        for seconds, block in blocks:
            start_seconds = start_seconds if n_samples else seconds
            n_samples += len(block)
            yield block

    data, n_examples = bytearray(), 0  # grows in place: hours of examples are never there twice
    for piece in _pieces(samples(), params):
        examples = log_mel_examples(piece, params)
        n_examples += len(examples)
        bounds.check(clip_id, "rows_per_clip", n_examples, "examples and more")
        data += examples.tobytes()
    examples = np.frombuffer(data, np.float32).reshape(-1, params.frames_per_example, params.n_mels)
    if len(examples) == 0:
        seconds = n_samples / params.sample_rate
        expected = f"at least one example of {params.example_seconds:.3f} s"
        raise ClipError(clip_id, "too_short", f"{seconds:.3f} s of audio", expected)
    return {"examples": examples, "seconds": start_seconds + np.arange(len(examples)) * params.example_hop_seconds}


def _pieces(blocks: Iterable[NDArray[np.floating]], params: LogMelParams) -> Iterator[NDArray[np.floating]]:
    """The sound in pieces of some whole examples each, and what is left; examples of neighbours may share samples."""
    step = EXAMPLES_PER_BLOCK * params.example_hop_frames * params.hop_length
    length = step + round(params.example_seconds * params.sample_rate) - params.example_hop_frames * params.hop_length
    waiting = np.empty(0, np.float32)
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= max(step, length):
            yield waiting[:length]
            waiting = waiting[step:]
    yield waiting


def log_mel_spectrogram(waveform: NDArray[np.floating], params: LogMelParams) -> NDArray[np.float32]:
    """Return (n_frames, n_mels) float32: log(mel magnitudes + log_offset), windows only where the sound fills them.

    Computed in float64: in float32 the leakage of a loud pure tone is lost in rounding, and its quiet bands are off by
    up to 1e-3.
    """
    if len(waveform) < params.window_length:
        return np.empty((0, params.n_mels), np.float32)
    window, mel = _window(params.window_length), mel_matrix(params)
    n_fft = 2 * (len(mel) - 1)
    windows = np.lib.stride_tricks.sliding_window_view(waveform, params.window_length)[:: params.hop_length]
    frames = np.empty((len(windows), params.n_mels), np.float32)
    for start in range(0, len(windows), BLOCK):
        magnitudes = np.abs(fft.rfft(windows[start : start + BLOCK] * window, n_fft))
        frames[start : start + BLOCK] = np.log(magnitudes @ mel + params.log_offset)
    return frames


def mel_matrix(params: LogMelParams) -> NDArray[np.float64]:
    """Return (n_fft // 2 + 1, n_mels) weights: triangles that are straight and evenly spaced in mel, no weight on DC.

    The FFT length is the next power of two that holds the window; mel = 1127 ln(1 + f / 700).
    """
    n_fft = 1 << (params.window_length - 1).bit_length()
    bins = _mel(np.linspace(0, params.sample_rate / 2, n_fft // 2 + 1))[:, np.newaxis]
    edges = np.linspace(_mel(params.fmin_hz), _mel(params.fmax_hz), params.n_mels + 2)
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    return np.maximum(0.0, np.minimum(rising, falling))


def _window(length: int) -> NDArray[np.float64]:
    """Periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def _mel(frequency_hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Frequency on the mel scale."""
    return 1127.0 * np.log1p(np.asarray(frequency_hz, np.float64) / 700.0)


def _is_whole(value: float) -> bool:
    """Whether a number is a positive integer but for rounding errors."""
    return round(value) >= 1 and abs(value - round(value)) < 1e-6
