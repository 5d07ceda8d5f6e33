"""What the project must know of YAMNet before it is loaded: one vector of 1024 numbers for 0.96 s of sound."""

from collections.abc import Mapping

from pipeline.errors import ParamsError
from pipeline.network_parts.base import NetworkParams

INPUTS, MODALITY, WIDTH = "logmel", "audio", 1024
EXAMPLE_SHAPE = (96, 64)
LOG_OFFSET = 0.01  # of VGGish's examples; YAMNet was trained on 0.001, and `network` goes from one to the other
NEEDED = {
    "sample_rate": 16000,
    "window_seconds": 0.025,
    "hop_seconds": 0.01,
    "n_mels": EXAMPLE_SHAPE[1],
    "fmin_hz": 125.0,
    "fmax_hz": 7500.0,
    "log_offset": LOG_OFFSET,
    "frames_per_example": EXAMPLE_SHAPE[0],
}


class YamnetParams(NetworkParams):
    """Section ``yamnet`` of params.yaml."""


PARAMS = YamnetParams


def check_inputs(section: Mapping[str, object]) -> None:
    """Refuse spectrograms that are not those of VGGish, which YAMNet was trained on too.

    Args:
        section: ``logmel`` of params.yaml.

    Raises:
        ParamsError: a key has another value.
    """
    for key, value in NEEDED.items():
        if (given := section.get(key)) != value:
            raise ParamsError(f"{INPUTS}.{key}: {given!r}; expected {value}: YAMNet was trained on such spectrograms")


def extra_facts(params: YamnetParams) -> dict[str, str]:
    """Return nothing: the weights decide the result."""
    return {}
