"""What an encoder is given becomes what its networks read: files with sound or pictures, waveforms, pictures."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias
from zlib import error as ZlibError  # noqa: N812 - a class, whatever it is called

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import ValidationError

from pipeline.encoder.config import first_problem
from pipeline.errors import ClipError, DataError, PipelineError
from pipeline.extraction.decoding import bounds_of, decode_file
from pipeline.formats.clips import Clip
from pipeline.formats.files import file_sha256
from pipeline.formats.shards import Arrays
from pipeline.network_parts.base import Modality
from pipeline.settings.limits import Limits
from pipeline.settings.params import StageParams
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import open_regular

Waveform: TypeAlias = NDArray[np.floating]
PictureList: TypeAlias = Sequence[NDArray[np.uint8]]

STAGE_OF: dict[Modality, str] = {"audio": "logmel", "visual": "frames"}  # which reads sound, and which reads pictures
STILLS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")  # how PNG and JPEG files begin
STREAMS = (".mjpeg", ".mjpg")  # videos that begin as a JPEG file does
WAVEFORM, PICTURES = "waveform", "pictures"  # the names of what is no file, for messages


class InputDecoder:
    """What makes arrays of inputs, by the sections that an encoder notes.

    Args:
        sections: of the decoding stages, by stage.
        limits: what a file may ask for.
    """

    def __init__(self, sections: Mapping[str, Mapping[str, Any]], limits: Limits) -> None:
        self._sections, self._limits = sections, limits
        self._params: dict[str, StageParams] = {}

    def params(self, stage: str) -> StageParams:
        """Return the section of a decoding stage, whose module is loaded now.

        Raises:
            DataError: it is not there, or is wrong.
        """
        if stage not in self._params:
            if stage not in self._sections:
                raise DataError(f"no section {stage!r}; expected an encoder of networks that read its arrays")
            try:
                params: StageParams = import_module(f"pipeline.{stage}").PARAMS.model_validate(self._sections[stage])
            except ValidationError as error:
                raise DataError(
                    f"decoding.{stage}.{first_problem(error)}; expected what the encoder was trained with"
                ) from error
            self._params[stage] = params
        return self._params[stage]

    def of_file(self, stage: str, path: AnyPath) -> Arrays:
        """Return what a decoding stage keeps of a file, by name: of a still picture, the one picture.

        Raises:
            ClipError: the file cannot be used.
            OSError: it cannot be read.
        """
        if is_still(path):
            if stage != STAGE_OF["visual"]:
                raise no_sound(str(path))
            return still_arrays(Path(path).name, path, self.params(stage), self._limits)
        return decode_file(stage, path, self.params(stage), self._limits)

    def of_waveform(self, waveform: Waveform) -> Arrays:
        """Return the log-mel examples of a waveform (n_samples,), mono, in [-1, 1], and their seconds, by name.

        Raises:
            ClipError: it is too short for one example, or makes too many.
            DataError: it is no such waveform.
        """
        from pipeline.logmel import LogMelParams, streamed_arrays

        params = self.params(STAGE_OF["audio"])
        assert isinstance(params, LogMelParams)
        blocks = [(0.0, checked_waveform(waveform))]
        arrays: Arrays = streamed_arrays(WAVEFORM, blocks, params, bounds_of(self._limits))
        return arrays

    def of_pictures(self, pictures: PictureList) -> Arrays:
        """Return what is kept of pictures, each uint8 RGB (height, width, 3), as many a second as the encoder takes.

        Raises:
            DataError: there is none, or one is no such picture.
        """
        from pipeline.frames import FramesParams, picture_arrays

        params, bounds = self.params(STAGE_OF["visual"]), bounds_of(self._limits)
        assert isinstance(params, FramesParams)
        bounds.check(PICTURES, "rows_per_clip", len(pictures), "pictures")
        checked = [checked_picture(picture, number) for number, picture in enumerate(pictures)]
        if not checked:
            raise DataError(f"{PICTURES}: none; expected at least one")
        timed = (((k + 0.5) / params.frames_per_second, picture) for k, picture in enumerate(checked))
        arrays: Arrays = picture_arrays(PICTURES, timed, params)
        return arrays


def no_sound(name: str) -> ClipError:
    """Return the refusal of a still picture where a sound is asked for."""
    return ClipError(name, "no_audio", "a still picture", "a file with sound")


def is_still(path: AnyPath) -> bool:
    """Return whether a file begins as a PNG or a JPEG picture does.

    Raises:
        DataError: it is no regular file.
        OSError: it cannot be read.
    """
    path = Path(path)
    with open_regular(path) as file:
        return file.read(8).startswith(STILLS) and path.suffix.lower() not in STREAMS


def still_arrays(name: str, path: AnyPath, params: StageParams, limits: Limits) -> Arrays:
    """Return what is kept of a still picture, by name; its time is 0.

    Args:
        name: of the picture, for messages.
        path: of its file.
        params: section ``frames``.
        limits: what the file may ask for.

    Raises:
        ClipError: the file is damaged or too large.
    """
    from pipeline.frames import FramesParams, picture_arrays

    assert isinstance(params, FramesParams)
    arrays: Arrays = picture_arrays(name, [(0.0, read_still(path, limits))], params)
    return arrays


def read_still(path: AnyPath, limits: Limits) -> NDArray[np.uint8]:
    """Return the picture of a PNG or JPEG file, uint8 (height, width, 3) RGB, upright.

    Args:
        path: of the file.
        limits: how many pixels it may have.

    Raises:
        ClipError: it is damaged or too large, or its colours have more than 8 bits.
        DataError: it is no regular file.
        OSError: it cannot be read.
    """
    with open_regular(path) as file, _still_errors(path), Image.open(file, formats=["PNG", "JPEG"]) as image:
        bounds_of(limits).check(path, "picture_pixels", image.width * image.height, "pixels a picture")
        if image.mode.startswith(("I", "F")):
            raise ClipError(str(path), "undecodable", f"colours of the form {image.mode}", "8 bits a colour")
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))  # a copy, which may be written


@contextmanager
def _still_errors(path: AnyPath) -> Iterator[None]:
    """Turn what Pillow raises of a damaged file into a ClipError."""
    try:
        yield
    except PipelineError:
        raise
    except (OSError, ValueError, SyntaxError, ZlibError, Image.DecompressionBombError) as error:
        raise ClipError(str(path), "undecodable", f"damaged data ({error})", "a whole PNG or JPEG file") from error


def clip_of(path: AnyPath) -> Clip:
    """Return a file as a clip that is called as its path says.

    Raises:
        DataError: it is no regular file.
        OSError: it cannot be read.
    """
    return Clip(clip_id=str(path), path=str(Path(path).absolute()), label="", sha256=file_sha256(path))


def checked_waveform(waveform: Waveform) -> NDArray[np.float32]:
    """Return a waveform (n_samples,) as float32.

    Raises:
        DataError: it is no array of one axis of finite floating numbers within [-1, 1].
    """
    expected = "expected floating numbers in [-1, 1], shape (n_samples,), one channel"
    if waveform.ndim != 1 or waveform.dtype.kind != "f":
        raise DataError(f"{WAVEFORM}: {waveform.dtype} of shape {waveform.shape}; {expected}")
    largest = float(np.abs(waveform).max(initial=0))  # NaN where any is
    if not largest <= 1:
        raise DataError(f"{WAVEFORM}: a magnitude of {largest:g}; {expected}")
    return np.ascontiguousarray(waveform, np.float32)


def checked_picture(picture: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """Return a picture uint8 (height, width, 3) as it lies in memory row by row.

    Raises:
        DataError: it is no such picture.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        found = f"{picture.dtype} of shape {picture.shape}"
        raise DataError(f"{PICTURES}: number {number} is {found}; expected uint8 (height, width, 3), RGB")
    return np.ascontiguousarray(picture)
