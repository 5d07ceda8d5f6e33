"""A small writer of H.264 + AAC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.settings.paths import AnyPath
from pipeline.video.pictures import Picture

_BITEXACT = {"flags": "+bitexact"}  # no encoder name or version in the stream
_X264 = {"crf": "20", "preset": "veryfast", "mbtree": "0"}  # x264's AVX-512 code for mbtree varies from run to run
_SOUND_SAMPLES = 1 << 16  # that the encoder is given at a time


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
    with Mp4Writer(path, frames_per_second, waveform, sample_rate) as writer:
        for picture in pictures:
            writer.add(picture)


class Mp4Writer:
    """The file that ``write_mp4`` writes, given picture by picture: neither film nor packets are held in memory.

    Used as a context; the file appears under its name where the block ends well, and not at all where it does not.

    Args:
        path: where the file goes.
        frames_per_second: rate of the pictures.
        waveform: float32 (n_samples,) mono in [-1, 1].
        sample_rate: rate of the waveform in Hz, one that AAC knows.
    """

    def __init__(self, path: AnyPath, frames_per_second: int, waveform: NDArray[np.float32], sample_rate: int) -> None:
        self._path, self._rate, self._n_pictures = Path(path), frames_per_second, 0
        self._waveform, self._sample_rate = waveform, sample_rate
        self._partial = self._path.with_name(f".{self._path.name}.partial")

    def __enter__(self) -> Self:
        """Open the file that is not whole yet."""
        self._file = av.open(str(self._partial), "w", format="mp4", options={"fflags": "+bitexact"})
        return self

    def add(self, picture: Picture) -> None:
        """Write the next picture, uint8 (height, width, 3), and the sound before it.

        Raises:
            DataError: its size is odd.
        """
        if not self._n_pictures:
            self._add_streams(*picture.shape[:2])
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = self._n_pictures, Fraction(1, self._rate)
        self._n_pictures += 1
        self._write(self._pictures.encode(frame))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write the rest and close the file; give it its name if it is whole.

        Raises:
            DataError: there is no picture.
        """
        try:
            with self._file:
                if kind is None and not self._n_pictures:
                    raise DataError("pictures: none; expected at least one")
                if kind is None:
                    self._write(self._pictures.encode(None))
                    self._file.mux([packet for packet in (self._next, *self._sounds) if packet])
            if kind is None:
                self._partial.replace(self._path)
        finally:
            self._partial.unlink(missing_ok=True)

    def _add_streams(self, height: int, width: int) -> None:
        """Streams of pictures and of sound; the first packet of the latter waits for its turn."""
        if height % 2 or width % 2:
            raise DataError(f"pictures: {width} x {height}; expected an even width and height")
        self._pictures = self._file.add_stream("libx264", rate=self._rate, options=_X264 | _BITEXACT)
        self._pictures.width, self._pictures.height, self._pictures.pix_fmt = width, height, "yuv420p"
        self._pictures.thread_count = 1
        self._sound = self._file.add_stream("aac", rate=self._sample_rate, layout="mono", options=_BITEXACT)
        self._sounds = self._sound_packets()
        self._next = next(self._sounds, None)

    def _sound_packets(self) -> Iterator[av.Packet[Any]]:
        """The packets of the sound, encoded as they are asked for."""
        for start in range(0, len(self._waveform), _SOUND_SAMPLES):
            block = np.ascontiguousarray(self._waveform[start : start + _SOUND_SAMPLES], np.float32)
            frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = self._sample_rate, Fraction(1, self._sample_rate), start
            yield from self._sound.encode(frame)
        yield from self._sound.encode(None)

    def _write(self, packets: Iterable[av.Packet[Any]]) -> None:
        """Write packets of pictures, the sound that is decoded before each of them first."""
        for packet in packets:
            while self._next is not None and _decoded_at(self._next) < _decoded_at(packet):
                self._file.mux(self._next)
                self._next = next(self._sounds, None)
            self._file.mux(packet)


def _decoded_at(packet: av.Packet[Any]) -> Fraction:
    """When a packet is decoded, in seconds."""
    return Fraction(packet.dts or 0) * packet.time_base
