"""What later stages would refuse is refused before hours of decoding."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


EXAMPLE_SIZES = {"logmel.frames_per_example": 96, "logmel.n_mels": 64}


MIN_PICTURE_SIDE = 75  # pixels


def check_networks(source: str) -> None:
    """Refuse or fetch here what the networks need: before hours of decoding, not after them."""
    from pipeline import weights
    from pipeline.features.clip_vectors import check_audio_scaling
    from pipeline.settings.params import read_section
    from pipeline.weights.sources import RANDOM

    for network in ("vggish", "inception"):
        name, allowed = str(read_section(f"{network}.weights")), read_section(f"{network}.allow_random")
        weights.check_random_allowed(network, name, allowed is True, source)
        if name != RANDOM:
            from pipeline.weights.store import fetch_if_missing

            fetch_if_missing(network, name)
    check_sizes()
    postprocess = read_section("vggish.postprocess")
    check_audio_scaling(read_section("features.audio_scaling"), postprocess)
    if postprocess != "none":
        from pipeline.networks.vggish.audioset_pca import FILE, load_vggish_pca
        from pipeline.settings.environment import weights_folder

        load_vggish_pca(weights_folder() / FILE)


def check_sizes() -> None:
    """Refuse examples and pictures of a size that the networks cannot take."""
    from pipeline.errors import ParamsError
    from pipeline.settings.params import read_section

    for key, size in EXAMPLE_SIZES.items():
        if (given := read_section(key)) != size:
            raise ParamsError(f"{key}: {given!r}; expected {size}: VGGish takes examples of one size")
    side = read_section("frames.size")
    if not isinstance(side, int) or side < MIN_PICTURE_SIDE:
        raise ParamsError(
            f"frames.size: {side!r}; expected at least {MIN_PICTURE_SIDE} pixels: Inception-v3 takes no smaller picture"
        )
