"""How near `avr separate` comes to the true sounds of duets: SI-SDR over that of the mixture, track by track.

The films are those of `avr duets`; they go the way of a user's video, H.264 and AAC included.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TrackGain(NamedTuple):
    """What one track of one film gained: SI-SDR over that of the mixture, in dB."""

    film: str
    track: str
    gain_db: float


def gains(duets: Path, film: str, apart: Path) -> list[TrackGain]:
    """Return what every track of a film gained.

    Args:
        duets: folder that `avr duets` wrote.
        film: name of one of its films, without ``.mp4``.
        apart: folder that `avr separate` wrote of it.
    """
    import numpy as np

    from pipeline.separation.measures.bss import si_sdr

    true = {path.stem.removeprefix(f"{film}_"): path for path in sorted((duets / "sources").glob(f"{film}_*.wav"))}
    sounds = [
        _sound(path) for path in (apart / "mixture.wav", *true.values(), *(apart / f"{name}.wav" for name in true))
    ]
    n_samples = min(map(len, sounds))
    mixture, *others = (sound[:n_samples] for sound in sounds)
    references, estimates = np.stack(others[: len(true)]), np.stack(others[len(true) :])
    improvement = si_sdr(references, estimates) - si_sdr(references, np.stack([mixture] * len(true)))
    return [TrackGain(film, name, float(gain)) for name, gain in zip(true, improvement, strict=True)]


def measured(duets: Path, task: str, separator: str | None) -> Iterator[TrackGain]:
    """Yield the gains of all films of a folder, each taken apart into a folder that is removed.

    Args:
        duets: folder that `avr duets` wrote.
        task: whose separators are taken.
        separator: which of them; None: the first that looks.
    """
    from pipeline.separation.__main__ import separate

    for film in sorted(duets.glob("*.mp4")):
        with TemporaryDirectory() as folder:
            apart = Path(folder) / "apart"
            separate(film, out=apart, tracks=duets / "tracks.csv", task=task, name=separator)
            yield from gains(duets, film.stem, apart)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.duets", description=__doc__)
    parser.add_argument("duets", metavar="DIR", type=Path, help="folder that `avr duets` wrote")
    parser.add_argument("--task", default="speech", help="folder below separation/")
    parser.add_argument("--separator", help="[default: the first that looks at the video]")
    arguments = parser.parse_args()
    try:
        found = list(measured(arguments.duets, arguments.task, arguments.separator))
    except PipelineError as error:
        sys.exit(f"duets: {type(error).__name__}: {error}")
    for gain in found:
        print(f"{gain.film} {gain.track:<6} {gain.gain_db:+6.1f} dB")
    print(f"mean of {len(found)}: {sum(gain.gain_db for gain in found) / max(1, len(found)):+.1f} dB over the mixture")


def _sound(path: Path) -> "NDArray[np.float32]":
    """The sound (n_samples,) of a WAV file at 8 kHz."""
    import numpy as np
    import soxr
    from scipy.io import wavfile

    rate, samples = wavfile.read(path)
    return np.asarray(soxr.resample(samples, rate, 8000))


if __name__ == "__main__":
    main()
