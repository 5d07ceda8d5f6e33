"""Spectrograms of sounds, as pictures to stand within a page."""

import io
from base64 import b64encode

import librosa
import numpy as np
import torch
from matplotlib import colormaps, style
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torchaudio.transforms import Spectrogram

from pipeline.report.pictures import DRAWN

N_FFT = 512  # samples; VGGish's window of 25 ms at 16 kHz needs no more
HOP_SECONDS = 0.010
TOP_DECIBELS = 80.0
SIZE_INCHES, DOTS_PER_INCH = (2.6, 1.5), 80
THUMBNAIL_PIXELS = 160
SMALL_SIZE = (112, 84)  # pixels
N_MELS = 64  # of a thumbnail


def decibels(waveform: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Return the magnitudes of a waveform's short-time Fourier transform in decibels below the loudest one.

    Args:
        waveform: (n_samples,) float32, mono, in [-1, 1]; at least one sample.
        sample_rate: in Hz.

    Returns:
        (257, n_frames) float32 in [-80, 0], low frequencies first, a frame every 10 ms; all -80 for silence.
    """
    transform = Spectrogram(n_fft=N_FFT, hop_length=round(HOP_SECONDS * sample_rate), power=1, pad_mode="constant")
    magnitudes: NDArray[np.float32] = transform(torch.from_numpy(waveform)).numpy()  # (257, n_frames)
    if not magnitudes.any():
        return np.full_like(magnitudes, -TOP_DECIBELS)
    levels: NDArray[np.float32] = librosa.amplitude_to_db(magnitudes, ref=np.max, top_db=TOP_DECIBELS)
    return levels


@style.context(DRAWN)
def spectrogram_png(waveform: NDArray[np.float32], sample_rate: int) -> str:
    """Return the spectrogram of a sound as the address of a PNG that holds the picture itself (``data:``).

    Args:
        waveform: (n_samples,) float32, mono, in [-1, 1]; at least one sample.
        sample_rate: in Hz.
    """
    from librosa.display import specshow  # draws with matplotlib, which it loads late

    figure = Figure(SIZE_INCHES, DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    levels, hop = decibels(waveform, sample_rate), round(HOP_SECONDS * sample_rate)
    specshow(levels, sr=sample_rate, hop_length=hop, x_axis="time", y_axis="mel", ax=axes, cmap="magma")
    axes.set(xlabel="", ylabel="")
    axes.tick_params(labelsize="xx-small")
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return _address("png", file.getvalue())


def small_spectrogram_jpeg(waveform: NDArray[np.float32], sample_rate: int) -> str:
    """Return the spectrogram of a sound without axes, for a thumbnail, as the address of a JPEG (``data:``).

    Low frequencies are below, on the mel scale; bright is loud.

    Args:
        waveform: (n_samples,) float32, mono, in [-1, 1]; at least one sample.
        sample_rate: in Hz.
    """
    powers = librosa.db_to_power(decibels(waveform, sample_rate))  # (257, n_frames)
    mel = librosa.feature.melspectrogram(S=powers, sr=sample_rate, n_fft=N_FFT, n_mels=N_MELS)
    levels = np.clip(librosa.power_to_db(mel, ref=np.max, top_db=None) / TOP_DECIBELS + 1, 0, 1)
    colours = colormaps["magma"](levels[::-1], bytes=True)[..., :3]
    return _jpeg(Image.fromarray(np.ascontiguousarray(colours)).resize(SMALL_SIZE), 72)


def thumbnail_jpeg(picture: NDArray[np.uint8], longest_side: int = THUMBNAIL_PIXELS, quality: int = 85) -> str:
    """Return a small copy of a picture as the address of a JPEG that holds it (``data:``).

    Args:
        picture: (height, width, 3) uint8 RGB.
        longest_side: of the copy, in pixels; smaller pictures stay as they are.
        quality: of the JPEG, 1 to 95.
    """
    image = Image.fromarray(picture)
    image.thumbnail((longest_side, longest_side))
    return _jpeg(image, quality)


def _jpeg(image: Image.Image, quality: int) -> str:
    """The address of a JPEG."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return _address("jpeg", file.getvalue())


def _address(kind: str, data: bytes) -> str:
    """The bytes of a picture as an address."""
    return f"data:image/{kind};base64,{b64encode(data).decode()}"
