"""Films of mouths as published data sets keep them, and small data sets that have some."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from pipeline.video import write_mp4

LEVELS = (3.28669, 1.11215, 0.53084)


def counted_film(n_pictures: int, size: int = 96) -> NDArray[np.uint8]:
    """A film (n_pictures, size, size) whose k-th picture is of brightness k."""
    return np.arange(n_pictures, dtype=np.uint8)[:, None, None] * np.ones((1, size, size), np.uint8)


def write_mouth(path: Path, film: NDArray[Any]) -> Path:
    """The film as VisualVoice (.h5) or LRS2-2Mix (.npz) keep it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez_compressed(path, data=film)
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("data", data=film)
    return path


def write_face_track(path: Path, seed: int, seconds: float = 1.0) -> Path:
    """A film of a face that sounds as no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = np.random.default_rng(seed).uniform(-0.3, 0.3, round(16000 * seconds)).astype(np.float32)
    write_mp4(path, np.full((round(25 * seconds), 32, 32, 3), 40 + seed, np.uint8), 25, sound, 16000)
    return path


def write_mixture_files(root: Path, n_mixtures: int = 2, seconds: float = 1.0, rate: int = 16000) -> list[str]:
    """A data set in the form of LRS2-2Mix: some mixtures a split, each of two programmes of that split alone."""
    names = []
    for split in ("tr", "cv", "tt"):
        for k in range(n_mixtures):
            utterances = [f"63{split}{k}{letter}_0000{k}" for letter in "ab"]
            name = f"{utterances[0]}_{LEVELS[k]}_{utterances[1]}_-{LEVELS[k]}"
            rng = np.random.default_rng([k, len(split), ord(split[1])])
            sources = rng.integers(-9000, 9000, (2, round(rate * seconds))).astype(np.int16)
            for folder, sound in (("s1", sources[0]), ("s2", sources[1]), ("mix", sources.sum(axis=0))):
                write_wav(root / f"wav16k/min/{split}/{folder}/{name}.wav", sound, rate)
            for utterance in utterances:
                write_mouth(root / f"mouths/{utterance}.npz", counted_film(round(25 * seconds)))
            names.append(f"{split}/{name}")
    return names


def write_wav(path: Path, sound: NDArray[np.integer], rate: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(path, rate, sound.astype(np.int16))
