"""Clips of any codec in any container, cut at a key frame, trimmed, copied and joined without encoding them again."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.helpers.synthetic import numbered_picture, sine, write_clip

RATE, N_PICTURES = 25, 75
SEGMENT = b"\x18\x53\x80\x67"  # name of the element that holds all packets of a Matroska file
_X265 = "log-level=none:pools=none:frame-threads=1:keyint=12:min-keyint=12:scenecut=0:bframes=3"
CODECS: dict[str, Mapping[str, Any]] = {
    "h264": {"options": {"preset": "ultrafast", "g": "12", "bf": "0"}},
    "h264_b": {"options": {"x264-params": "keyint=12:min-keyint=12:scenecut=0:bframes=3:b-adapt=0:threads=1"}},
    "h264_open": {
        "options": {"x264-params": "keyint=12:min-keyint=12:scenecut=0:open-gop=1:bframes=3:b-adapt=0:threads=1"}
    },
    "h264_refresh": {"options": {"x264-params": "intra-refresh=1:keyint=10:bframes=0:threads=1"}},
    "hevc": {"codec": "libx265", "options": {"x265-params": f"{_X265}:open-gop=0"}},
    "hevc_open": {"codec": "libx265", "options": {"x265-params": f"{_X265}:open-gop=1"}},
    "hevc_radl": {"codec": "libx265", "options": {"x265-params": f"{_X265}:open-gop=0:radl=2"}},
    "mpeg4": {"codec": "mpeg4", "options": {"g": "12", "bf": "2", "b_strategy": "0"}},
    "mpeg2": {"codec": "mpeg2video", "options": {"g": "12", "bf": "2", "b_strategy": "0"}},
    "mjpeg": {"codec": "mjpeg"},
    "vp8": {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8", "g": "12"}},
    "vp9": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8", "g": "12"}},
    "av1": {"codec": "libsvtav1", "options": {"preset": "12", "svtav1-params": "lp=1:keyint=12"}},
}
CONTAINERS: dict[str, tuple[str, ...]] = {
    ".mp4": ("h264", "h264_b", "h264_open", "h264_refresh", "hevc", "hevc_open", "hevc_radl", "mpeg4", "mjpeg", "av1"),
    ".mov": ("h264", "h264_b", "h264_open", "h264_refresh", "hevc", "hevc_open", "hevc_radl", "mpeg4", "mjpeg"),
    ".mkv": tuple(CODECS),
    ".webm": ("vp8", "vp9", "av1"),
    ".ts": ("h264", "h264_b", "h264_open", "h264_refresh", "hevc", "hevc_open", "hevc_radl", "mpeg2"),
    ".flv": ("h264", "h264_b", "h264_open", "h264_refresh"),
    ".avi": ("h264", "h264_b", "h264_open", "h264_refresh", "mpeg4", "mjpeg"),
    ".h264": ("h264", "h264_b", "h264_open", "h264_refresh"),
}
_SOUNDS = {".webm": "libopus", ".avi": "libmp3lame"}


@dataclass(frozen=True)
class Recut:
    """How a clip is copied.

    Attributes:
        codec: one of CODECS.
        container: one of CONTAINERS that may hold it.
        n_skipped: at which key frame it begins, counted from 0.
        n_lost: packets of pictures lost at the beginning then.
        trimmed_seconds: how much of it lies before time 0, where an MP4 has an edit list; below 0 it begins so late.
        shown_seconds: how much the edit lists of an MP4 show; None: all of its media.
        n_too_many: by how many bytes the size of a Matroska segment is too large.
        is_joined: whether its bytes come twice.
    """

    codec: str
    container: str
    n_skipped: int = 0
    n_lost: int = 0
    trimmed_seconds: float = 0.0
    shown_seconds: float | None = None
    n_too_many: int = 0
    is_joined: bool = False

    @property
    def is_bare(self) -> bool:
        """Whether there is no container, and thus no sound."""
        return self.container == ".h264"

    def write(self, folder: Path) -> Path:
        """Write the clip, from a source that is encoded once."""
        path = folder / f"clip{self.container}"
        audio_codec = _SOUNDS.get(self.container, "aac")
        format = "null" if self.is_bare else None
        with av.open(str(_source(folder, self.codec, audio_codec))) as source, av.open(str(path), "w", format) as out:
            packets: list[Any] = [packet for packet in source.demux() if packet.size]
            pictures = [packet for packet in packets if packet.stream.type == "video"]
            _complete(pictures)
            keys = [number for number, packet in enumerate(pictures) if packet.is_keyframe]
            number = keys[min(self.n_skipped, len(keys) - 1)]
            start = Fraction(pictures[number].pts or 0) * pictures[number].time_base
            kept = pictures[number + self.n_lost :]
            kept += [p for p in packets if p.stream.type == "audio" and (p.pts or 0) * p.time_base >= start]
            if self.is_bare:
                header = source.streams.video[0].codec_context.extradata or b""
                bare = header + b"".join(map(bytes, pictures[number + self.n_lost :]))
            streams = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in source.streams}
            for packet in sorted(kept, key=lambda packet: Fraction(packet.dts or 0) * packet.time_base):
                shift = round((start + Fraction(self.trimmed_seconds)) / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
        if self.is_bare:
            path.write_bytes(bare)
        if self.shown_seconds is not None:
            path.write_bytes(edited(path.read_bytes(), self.shown_seconds))
        if self.n_too_many:
            path.write_bytes(with_longer_segment(path.read_bytes(), self.n_too_many))
        if self.is_joined:
            path.write_bytes(2 * path.read_bytes())
        return path


def edited(data: bytes, seconds: float) -> bytes:
    """An MP4 whose edit lists show so much at most, behind the empty edit that they may begin with."""
    changed = bytearray(data)
    (ticks_per_second,) = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)
    for place in (at for at in range(len(data)) if data[at : at + 4] == b"elst"):
        last = place + 12 * struct.unpack_from(">I", data, place + 8)[0]
        shown = min(struct.unpack_from(">I", data, last)[0], round(seconds * ticks_per_second))
        struct.pack_into(">I", changed, last, shown)
    return bytes(changed)


def with_longer_segment(data: bytes, n_bytes: int) -> bytes:
    """A Matroska file whose segment states so many bytes more than it has; FFmpeg writes its size in 8 bytes."""
    place = data.index(SEGMENT) + len(SEGMENT)
    size = int.from_bytes(data[place : place + 8]) + n_bytes
    return data[:place] + size.to_bytes(8) + data[place + 8 :]


def _complete(packets: list[Any]) -> None:
    """Say when the first packets are decoded, where the demuxer leaves that open."""
    n_open = next(number for number, packet in enumerate(packets) if packet.dts is not None)
    for number, packet in enumerate(packets[:n_open]):
        packet.dts = packets[n_open].dts - (n_open - number) * packet.duration


def _source(folder: Path, codec: str, audio_codec: str) -> Path:
    """The clip that the others are copied from; NUT keeps all times of all codecs."""
    path = folder / f"{codec}_{audio_codec}.nut"
    if not path.exists():
        pictures = [numbered_picture(number, 64, 64) for number in range(N_PICTURES)]
        sound = np.stack([sine(1000, 0.4, N_PICTURES / RATE, 48000)])
        write_clip(
            path, pictures, sound, frames_per_second=RATE, sample_rate=48000, audio_codec=audio_codec, **CODECS[codec]
        )
    return path
