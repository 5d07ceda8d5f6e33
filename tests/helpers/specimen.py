"""A file of the zoo: what it is written from, how it is damaged, and what has to come of it."""

import io
import struct
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import av
import numpy as np

from pipeline.errors import RejectKind
from tests.helpers.media import Sight, Sound, tone, write_media

Damage = Callable[[bytes], bytes]

EXAMPLE_SECONDS, FIRST_PICTURE_SECONDS = 0.975, 0.5  # what is shorter gives no log-mel example, no picture


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """A file and what has to come of it.

    Attributes:
        tracks: what it is written from; the first pictures and the first default sound are the ones to be used.
        muxer: the container's options.
        format: the container, where the name's ending does not say it.
        damage: what happens to its bytes then.
        sound: seconds of tone, or why there is none to be had; None: the whole first sound.
        pictures: why there are none to be had; None: those of the first moving pictures.
        first_shown: number of the first picture that is shown.
        padding_seconds: how much of the codec's own silence the container cannot tell from the sound.
    """

    tracks: tuple[Sight | Sound, ...] = (Sight(), Sound())
    muxer: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None
    damage: Damage = bytes
    sound: float | RejectKind | None = None
    pictures: RejectKind | None = None
    first_shown: int = 0
    padding_seconds: float = 0.0

    def write(self, path: Path) -> Path:
        """Write the file."""
        if self.tracks:
            write_media(path, *self.tracks, format=self.format, **self.muxer)
        path.write_bytes(self.damage(path.read_bytes() if self.tracks else b""))
        return path

    @property
    def sight(self) -> Sight:
        """The pictures to be used."""
        return next(track for track in self.tracks if isinstance(track, Sight) and not track.is_cover)

    @property
    def is_readable(self) -> bool:
        """Whether nothing in it is refused."""
        return not self.logmel_kind and not self.frames_kind

    @property
    def heard(self) -> Sound:
        """The sound to be used."""
        sounds = [track for track in self.tracks if isinstance(track, Sound)]
        return next((sound for sound in sounds if sound.is_default), Sound())

    @property
    def tone_seconds(self) -> float:
        """How long the tone is that has to come out."""
        if isinstance(self.sound, float):
            return self.sound
        return len(self.heard.waveform[0]) / self.heard.sample_rate

    @property
    def tone_level(self) -> float:
        """How loud it is: the channel for the bass keeps nothing of it."""
        n_bass = int(self.heard.layout.startswith("5.1"))
        return float(np.abs(self.heard.waveform).max()) * (1 - n_bass / len(self.heard.waveform))

    @property
    def logmel_kind(self) -> RejectKind | None:
        """Why stage ``logmel`` refuses it."""
        if isinstance(self.sound, str):
            return self.sound
        return "too_short" if self.tone_seconds < EXAMPLE_SECONDS else None

    @property
    def frames_kind(self) -> RejectKind | None:
        """Why stage ``frames`` refuses it."""
        if self.pictures:
            return self.pictures
        times = self.sight.times
        lasts_seconds = times[-1] - times[0] + 1 / self.sight.frames_per_second
        return "too_short" if lasts_seconds <= FIRST_PICTURE_SECONDS else None


def cut(fraction: float) -> Damage:
    """Keep the first part, as a broken download does."""
    return lambda data: data[: int(len(data) * fraction)]


def spoil(kind: Literal["audio", "video"], number: int) -> Damage:
    """Overwrite one packet with what empty flash memory holds."""

    def damage(data: bytes) -> bytes:
        with av.open(io.BytesIO(data), "r") as container:
            packet = bytes([*container.demux(getattr(container.streams, kind))][number])
        return data.replace(packet, b"\xff" * len(packet))

    return damage


def rename(codec: bytes, other: bytes) -> Damage:
    """Name another codec in the header."""
    return lambda data: data.replace(codec, other)


def add_to_size(box: bytes, n_bytes: int) -> Damage:
    """State a larger size of the last box of a name in an MP4."""

    def damage(data: bytes) -> bytes:
        place = data.rindex(box) - 4
        return data[:place] + (int.from_bytes(data[place : place + 4]) + n_bytes).to_bytes(4) + data[place + 4 :]

    return damage


def content(data: bytes) -> Damage:
    """No media file at all."""
    return lambda _: data


def claim_hours(data: bytes) -> bytes:
    """State 8 hours in every header of an MP4 or MKV."""
    claimed, hours = bytearray(data), 8 * 3600
    for box, rate_at in ((b"mvhd", 16), (b"mdhd", 16)):
        start = -1
        while (start := claimed.find(box, start + 1)) >= 0:
            (ticks_per_second,) = struct.unpack_from(">I", claimed, start + rate_at)
            struct.pack_into(">I", claimed, start + rate_at + 4, hours * ticks_per_second)
    if (start := claimed.find(b"\x44\x89\x88")) >= 0:  # Matroska's Duration, in milliseconds
        struct.pack_into(">d", claimed, start + 3, hours * 1000.0)
    return bytes(claimed)


def wav(n_channels: int) -> bytes:
    """The tone in a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((n_channels, 2, 48000, 0, "NONE", ""))
        writer.writeframes((tone(2.5, 48000, n_channels).T * 32767).astype("<i2").tobytes())
    return file.getvalue()
