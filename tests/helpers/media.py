"""Media files of any codec, pixel format, timing and channel layout, written by plain PyAV.

Every picture spells its own number above a red and a blue half; every sound is a tone of 1 kHz.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from tests.helpers.synthetic import N_BITS

RED, BLUE = (200, 40, 40), (40, 40, 200)
TONE_HZ, TONE_LEVEL = 1000.0, 0.3
TICKS_PER_SECOND = 1000  # what Matroska keeps
STEADY = tuple(k / 10 for k in range(25))
LENGTH_SECONDS = 2.5

Packets = list["av.Packet[Any]"]
Edit = Callable[[Packets], Packets]


def numbered_picture(number: int, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """RGB picture (height, width, 3): above, the bits of ``number`` in black and white; below, red beside blue."""
    picture = np.zeros((height, width, 3), np.uint8)
    bits = (number >> np.arange(N_BITS)) & 1
    picture[: height // 2] = (255 * bits[np.arange(width) * N_BITS // width])[None, :, None]
    picture[height // 2 :, : width // 2] = RED
    picture[height // 2 :, width // 2 :] = BLUE
    return picture


def tone(seconds: float, sample_rate: int, n_channels: int = 1) -> NDArray[np.float32]:
    """The tone in every channel: float32 (n_channels, n_samples)."""
    times = np.arange(round(seconds * sample_rate)) / sample_rate
    wave = TONE_LEVEL * np.sin(2 * np.pi * TONE_HZ * times)
    return np.tile(wave.astype(np.float32), (n_channels, 1))


@dataclass(frozen=True, kw_only=True)
class Sight:
    """A video track: numbered pictures.

    Attributes:
        times: when each picture appears, in seconds.
        frames_per_second: what the encoder is told; the last picture lasts that long.
        width, height: of the upright pictures, pixels.
        codec, pixel_format, options: of the encoder.
        rotation_degrees: counterclockwise turn that a player must apply; the pictures are turned the other way.
        is_cover: mark it as a picture attached to the sound.
        edit: what happens to the encoder's packets before they go into the file.
    """

    times: Sequence[float] = STEADY
    frames_per_second: int = 10
    width: int = 64
    height: int = 48
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=lambda: {"preset": "ultrafast"})
    rotation_degrees: int = 0
    is_cover: bool = False
    edit: Edit = list

    def add_to(self, container: av.container.OutputContainer) -> Callable[[], Packets]:
        """Add the track; what comes back encodes it, once all tracks are there."""
        stream: Any = container.add_stream(self.codec, options=dict(self.options))
        turned = self.rotation_degrees % 180 == 90
        stream.width, stream.height = (self.height, self.width) if turned else (self.width, self.height)
        stream.pix_fmt, stream.thread_count = self.pixel_format, 1
        stream.codec_context.framerate = Fraction(self.frames_per_second)
        counts_pictures = container.format.name == "avi" or self.codec.startswith("mpeg")
        ticks_per_second = self.frames_per_second if counts_pictures else TICKS_PER_SECOND
        stream.codec_context.time_base = time_base = Fraction(1, ticks_per_second)
        if self.rotation_degrees:
            stream.set_display_rotation(self.rotation_degrees)
        if self.is_cover:
            stream.disposition = Disposition.attached_pic

        def encode() -> Packets:
            packets: Packets = []
            for number, time in enumerate(self.times):
                picture = np.rot90(numbered_picture(number, self.width, self.height), -self.rotation_degrees // 90)
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                frame.pts, frame.time_base = round(time / time_base), time_base
                packets += stream.encode(frame)
            return self.edit(packets + list(stream.encode(None)))

        return encode


@dataclass(frozen=True, kw_only=True)
class Sound:
    """An audio track.

    Attributes:
        waveform: float32 (n_channels, n_samples).
        sample_rate: Hz.
        layout: FFmpeg's name of the channels.
        codec: the encoder.
        start_seconds: time of the first sample.
        is_default: what the file says of the track.
        edit: what happens to the encoder's packets before they go into the file.
        then: sound of other channels that goes on in the same track.
    """

    waveform: NDArray[np.float32] = field(default_factory=lambda: tone(LENGTH_SECONDS, 44100))
    sample_rate: int = 44100
    layout: str = "mono"
    codec: str = "aac"
    start_seconds: float = 0.0
    is_default: bool = True
    edit: Edit = list
    then: "Sound | None" = None

    def add_to(self, container: av.container.OutputContainer) -> Callable[[], Packets]:
        """Add the track; what comes back encodes it, once all tracks are there."""
        stream: Any = container.add_stream(self.codec, rate=self.sample_rate, layout=self.layout)
        stream.codec_context.options = {"strict": "experimental"}  # for FFmpeg's own Vorbis
        stream.disposition = Disposition.default if self.is_default else Disposition(0)

        def encode() -> Packets:
            packets = self._packets(stream)
            if self.then:
                encoder: Any = av.CodecContext.create(self.then.codec, "w")
                encoder.sample_rate, encoder.layout = self.then.sample_rate, self.then.layout
                encoder.format = stream.format
                packets += [_moved_to(stream, packet) for packet in self.then._packets(encoder)]
            return self.edit(packets)

        return encode

    def _packets(self, encoder: "av.AudioStream | av.AudioCodecContext") -> Packets:
        """What an encoder makes of the waveform."""
        source = av.AudioFrame.from_ndarray(np.ascontiguousarray(self.waveform), format="fltp", layout=self.layout)
        source.sample_rate, source.time_base = self.sample_rate, Fraction(1, self.sample_rate)
        source.pts = round(self.start_seconds * self.sample_rate)
        frames = av.AudioResampler(encoder.format, self.layout, self.sample_rate).resample(source)
        return [packet for frame in [*frames, None] for packet in encoder.encode(frame)]


def _moved_to(stream: "av.AudioStream", packet: "av.Packet[Any]") -> "av.Packet[Any]":
    """A packet of another encoder as one of this stream."""
    moved = av.Packet(bytes(packet))
    moved.stream, moved.time_base = stream, packet.time_base
    moved.pts, moved.dts, moved.duration = packet.pts, packet.dts, packet.duration
    return moved


def drop(numbers: slice) -> Edit:
    """Leave out these packets."""

    def edit(packets: Packets) -> Packets:
        dropped = set(range(len(packets))[numbers])
        return [packet for number, packet in enumerate(packets) if number not in dropped]

    return edit


def write_media(path: Path, *tracks: Sight | Sound, format: str | None = None, **muxer: str) -> Path:
    """Write a file of these tracks; the name's ending chooses the container unless ``format`` does."""
    with av.open(str(path), "w", format=format, options=muxer) as container:
        encoders = [track.add_to(container) for track in tracks]
        packets = [packet for encode in encoders for packet in encode()]
        container.mux(sorted(packets, key=lambda packet: Fraction(packet.dts or 0) * packet.time_base))
    return path
