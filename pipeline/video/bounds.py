"""How much a media file may ask for: a few bytes can stand for days of sound or for millions of equal pictures."""

from typing import NamedTuple

from pipeline.errors import ClipError
from pipeline.settings.paths import AnyPath


class Bounds(NamedTuple):
    """Upper limits, each under the name that its key has in section ``limits`` of params.yaml.

    Attributes:
        clip_seconds: length of the sound or the pictures.
        gap_seconds: how long one picture may be on display.
        rows_per_clip: pictures to return.
        picture_pixels: width times height.
        n_streams: tracks of all kinds.
    """

    clip_seconds: float = 21600.0
    gap_seconds: float = 600.0
    rows_per_clip: int = 50_000
    picture_pixels: int = 100_000_000
    n_streams: int = 100

    def check(self, path: AnyPath, key: str, value: float, what: str) -> None:
        """Refuse a file that asks for more.

        Args:
            path: of the file, for the message.
            key: name of the limit.
            value: what the file asks for.
            what: the words behind the value, such as its unit.

        Raises:
            ClipError: it is above the limit, or no number.
        """
        limit = getattr(self, key)
        if not value <= limit:
            raise ClipError(str(path), "limit", f"{value:.6g} {what}", f"at most limits.{key}={limit:.15g}")


BOUNDS = Bounds()
