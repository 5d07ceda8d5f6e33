"""Heat laid over a picture: the hotter, the more of a bright colour."""

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

STRONGEST = 0.6  # of a colour over a picture
MAP = "inferno"


def overlaid(picture: NDArray[np.uint8], heat: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return a picture with heat stretched over it, uint8 (height, width, 3).

    Args:
        picture: uint8 (height, width, 3).
        heat: (h, w); 1 and above is the brightest colour, 0 and below none.

    Example:
        >>> overlaid(np.full((2, 2, 3), 100, np.uint8), np.array([[0.0]])).max()
        np.uint8(100)
    """
    small = Image.fromarray(np.uint8(255 * np.clip(heat, 0, 1)))
    level = np.asarray(small.resize((picture.shape[1], picture.shape[0]), Image.Resampling.BILINEAR)) / 255
    weight = (STRONGEST * level)[..., None]
    mixed = picture * (1 - weight) + 255 * colormaps[MAP](level)[..., :3] * weight
    return np.asarray(mixed + 0.5, np.uint8)
