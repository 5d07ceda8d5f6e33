"""Pictures of one file and sound of another as one file, their packets as they are."""

from __future__ import annotations

import heapq
import io
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import av

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
            for packet in heapq.merge(*packets, key=lambda packet: packet.dts * packet.time_base):
                joined.mux(packet)
    except av.error.FFmpegError:
        return None
    return out.getvalue()


def _opened(data: bytes) -> av.container.InputContainer:
    """An open file."""
    return av.open(io.BytesIO(data), options={"format_whitelist": _FORMATS}, metadata_errors="ignore")


def _packets(stream: Any, target: Any) -> Iterator[av.Packet[Any]]:  # noqa: ANN401 - of sound or of pictures
    """The packets of a stream as those of another one, their times from its start on."""
    start = stream.start_time or 0
    for packet in stream.container.demux(stream):
        if packet.size and packet.dts is not None:
            packet.pts, packet.dts, packet.stream = (packet.pts or packet.dts) - start, packet.dts - start, target
            yield packet
