"""A trained encoder as one folder: what turns a sound, a picture or a video into vectors of the joint space.

Example:
    >>> from pipeline.encoder import Encoder
    >>> from pipeline.errors import DataError
    >>> try:
    ...     Encoder.load("nowhere")
    ... except DataError as error:
    ...     print(error)
    nowhere/config.json: No such file or directory; expected the folder of an encoder, as the stage `encoder` writes it
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.encoder.encoder import Embedded, Encoder

__all__ = ["Embedded", "Encoder"]


def __getattr__(name: str) -> object:
    """Return a class when it is asked for, so that the help of a command beside it waits for no library."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipeline.encoder import encoder

    found: object = getattr(encoder, name)
    return found
