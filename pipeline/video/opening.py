"""What the decoder shows first, of a stream whose beginning does not tell."""

from __future__ import annotations

import re
from typing import Any

import av

from pipeline.video.track import First, Stream

_N_LOOKED_AT = 34  # packets behind the first picture: more than wait in a decoder (16), and than lead a key picture
LONGEST_WAIT = {"strict": "strict"}  # for the order of pictures, where H.264 does not say how long to wait for it
_IDR = re.compile(rb"\x00\x00\x01[\x05\x25\x45\x65]")  # behind a start code (H.264, 7.3.1): any picture may follow it


class Opening:
    """Finds the first picture that is shown, from as few packets as will do.

    That is the first key frame, but for pictures that follow it and are shown before it: the decoder gives those that
    do not refer to what came before (RADL), and leaves out the others. H.264 may begin with a picture that only the
    decoder can tell to be complete: at a recovery point, or one of intra slices. Where the container says of no picture
    when it is presented, so much is decoded that the pictures which the decoder leaves out at the start can be counted.

    Args:
        stream: pictures of an open file.
        has_display_times: whether the container can say when a picture is presented.
    """

    def __init__(self, stream: Stream, has_display_times: bool = True) -> None:
        self._stream, self._is_h264 = stream, stream.codec_context.name == "h264"
        self._has_display_times, self._n_decoded, self._n_given, self._n_behind = has_display_times, 0, 0, 0
        self._key: av.Packet[Any] | None = None
        self._decoder: av.VideoCodecContext | None = None
        self.is_open, self._n_passed = True, 0
        self.first: First | None = None  # None: the first key frame

    def add(self, packet: av.Packet[Any]) -> None:
        """Take the next packet in decoding order."""
        if self._decoder:
            self._decode(packet)
        elif self._key:
            if packet.pts is None or self._key.pts is None or packet.pts >= self._key.pts:
                self.is_open = False
            else:
                self._decode(self._key, packet)
        elif self._is_h264 and not (packet.is_keyframe and _has_idr(packet, self._stream)):
            self._decode(packet)
        elif packet.is_keyframe:
            self._key = packet
        else:
            self._n_passed += 1

    def finish(self) -> None:
        """Take the end of the stream."""
        if self._decoder and self.is_open:
            self._decode(None)
        self.is_open, self._key, self._decoder = False, None, None

    def _decode(self, *packets: av.Packet[Any] | None) -> None:
        """Look at what packets bring out of a decoder of our own; those that it cannot decode bring nothing."""
        for packet in packets:
            if packet is not None:
                self._n_decoded += 1
                self._has_display_times &= packet.pts is not None
            self._decoder = self._decoder or _decoder(self._stream, {} if self._has_display_times else LONGEST_WAIT)
            try:
                frames = self._decoder.decode(packet)
            except av.error.FFmpegError:
                continue
            if self.is_open:
                self._look_at(frames, is_end=packet is None)

    def _look_at(self, frames: list[av.VideoFrame], *, is_end: bool) -> None:
        """Note the first picture, and where there are no times of display how many the decoder has left out."""
        self._n_given += len(frames)
        if self.first:
            self._n_behind += 1
        elif frames:
            self.first = First(self._n_passed, frames[0].pts)
        if self.first is None:
            return
        if self._has_display_times:
            self.is_open = False
        elif is_end:
            self.first, self.is_open = self.first._replace(n_lost=max(0, self._n_decoded - self._n_given)), False
        elif self._n_behind == _N_LOOKED_AT:
            self._decode(None)


def _decoder(stream: Stream, options: dict[str, str]) -> av.VideoCodecContext:
    """A decoder of the stream, for frames that nobody looks at."""
    decoder = av.CodecContext.create(stream.codec_context.name, "r")
    assert isinstance(decoder, av.VideoCodecContext)  # for mypy
    decoder.extradata, decoder.thread_count, decoder.options = stream.codec_context.extradata, 1, options
    return decoder


def _has_idr(packet: av.Packet[Any], stream: Stream) -> bool:
    """Whether a packet of H.264 has a slice of an IDR picture; its units have start codes, or lengths before them."""
    data, header = bytes(packet), stream.codec_context.extradata or b""
    if header[:1] != b"\1":
        return _IDR.search(data) is not None
    position, n_length_bytes = 0, (header[4] & 3) + 1  # ISO 14496-15, 5.3.3.1
    while position + n_length_bytes < len(data):
        start = position + n_length_bytes
        if data[start] & 31 == 5:
            return True
        position = start + int.from_bytes(data[position:start])
    return False
