"""Pictures of one file and sound of another as one file, their packets as they are."""

from __future__ import annotations

import heapq
import io
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer

_FORMATS = "aac,asf,avi,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,wav"  # none that names other files
_BITEXACT = {"fflags": "+bitexact"}  # no random name of the file in it


def lacks_sound(film: bytes) -> bool:
    """Return whether a film has pictures and no sound; False where it cannot be opened."""
    try:
        with _opened(film) as container:
            return bool(container.streams.video) and not container.streams.audio
    except av.error.FFmpegError:
        return False


def join(film: bytes, sound: bytes) -> bytes | None:
    """Return a Matroska file with the pictures of a film and a sound, which begin together; None: one cannot be read.

    Args:
        film: bytes of a file with pictures.
        sound: bytes of a file with sound.
    """
    out = io.BytesIO()
    try:
        with ExitStack() as stack:
            pictures, heard = (stack.enter_context(_opened(data)) for data in (film, sound))
            streams = [*pictures.streams.video[:1], *heard.streams.audio[:1]]
            if len(streams) < 2:
                return None
            joined = stack.enter_context(av.open(out, "w", format="matroska", options=_BITEXACT))
            packets = [_packets(stream, joined.add_stream_from_template(stream)) for stream in streams]
            for packet in heapq.merge(*packets, key=_decoded_at):
                joined.mux(packet)
    except av.error.FFmpegError:
        return None
    return out.getvalue()


def _opened(data: bytes) -> InputContainer:
    """An open file."""
    options = {"format_whitelist": _FORMATS}
    return av.open(io.BytesIO(data), "r", options=options, metadata_errors="ignore")


def _packets(stream: Any, target: Any) -> Iterator[av.Packet[Any]]:  # noqa: ANN401 - PyAV types streams of sound and of pictures apart
    """The packets of a stream as those of another one, their times from its start on."""
    start, rate = stream.start_time or 0, stream.average_rate if stream.type == "video" else None
    for packet in _with_times(stream):
        packet.pts, packet.dts, packet.stream = packet.pts - start, packet.dts - start, target
        if rate and not packet.duration:  # or nobody knows how long the last picture stays
            packet.duration = round(1 / (rate * packet.time_base))
        yield packet


def _with_times(stream: Any) -> Iterator[Any]:  # noqa: ANN401 - of either kind, as in `_packets`
    """The packets of a stream with both times: Matroska does not say when the first ones are to be decoded."""
    early: list[Any] = []
    for packet in stream.container.demux(stream):
        if packet.size and packet.dts is None:
            early.append(packet)
        elif packet.size:
            for place, one in enumerate(early):
                one.dts = packet.dts + place - len(early)
            packet.pts = packet.dts if packet.pts is None else packet.pts
            yield from [*early, packet]
            early.clear()
    for one in early:
        one.dts = one.pts
    yield from (one for one in early if one.pts is not None)


def _decoded_at(packet: av.Packet[Any]) -> Fraction:
    """When a packet is to be decoded, in seconds."""
    return (packet.dts or 0) * packet.time_base
