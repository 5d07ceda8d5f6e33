"""A trained encoder as one folder: what turns a sound, a picture or a video into vectors of the joint space.

Example:
    >>> from pipeline.errors import DataError
    >>> try:
    ...     Encoder.load("nowhere")
    ... except DataError as error:
    ...     print(error)
    nowhere/config.json: No such file or directory; expected the folder of an encoder, as the stage `encoder` writes it
"""

from pipeline.encoder.encoder import Embedded, Encoder

__all__ = ["Embedded", "Encoder"]
