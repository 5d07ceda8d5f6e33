"""A small writer of H.264 + AAC."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.settings.paths import AnyPath
from pipeline.video.pictures import Picture

_BITEXACT = {"flags": "+bitexact"}  # no encoder name or version in the stream
_X264 = {"crf": "20", "preset": "veryfast", "mbtree": "0"}  # x264's AVX-512 code for mbtree varies from run to run


def write_mp4(
    path: AnyPath, pictures: Iterable[Picture], frames_per_second: int, waveform: NDArray[np.float32], sample_rate: int
) -> None:
    """Write an H.264 + AAC file whose bytes depend on the arguments alone; it appears under its name when it is whole.

    Args:
        path: where the file goes; an older file of that name is replaced.
        pictures: at least one picture, each uint8 (height, width, 3) RGB of one even size.
        frames_per_second: rate of the pictures.
        waveform: float32 (n_samples,) mono in [-1, 1].
        sample_rate: rate of the waveform in Hz, one that AAC knows.

    Raises:
        DataError: there is no picture, or the pictures' size is odd.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with av.open(str(partial), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
            packets = _encode_pictures(container, pictures, frames_per_second)
            sound = container.add_stream("aac", rate=sample_rate, layout="mono", options=_BITEXACT)
            frame = av.AudioFrame.from_ndarray(waveform[None].astype(np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = sample_rate, Fraction(1, sample_rate), 0
            packets += sound.encode(frame) + sound.encode(None)
            container.mux(sorted(packets, key=lambda packet: Fraction(packet.dts or 0) * packet.time_base))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _encode_pictures(container: OutputContainer, pictures: Iterable[Picture], rate: int) -> list[av.Packet[Any]]:
    """Packets of a new H.264 stream."""
    pictures = iter(pictures)
    if (first := next(pictures, None)) is None:
        raise DataError("pictures: none; expected at least one")
    height, width, _ = first.shape
    if height % 2 or width % 2:
        raise DataError(f"pictures: {width} x {height}; expected an even width and height")
    stream = container.add_stream("libx264", rate=rate, options=_X264 | _BITEXACT)
    stream.width, stream.height, stream.pix_fmt, stream.thread_count = width, height, "yuv420p", 1
    packets: list[av.Packet[Any]] = []
    for index, picture in enumerate(itertools.chain([first], pictures)):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, rate)
        packets += stream.encode(frame)
    return packets + stream.encode(None)
