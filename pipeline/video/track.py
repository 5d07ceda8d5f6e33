"""What the packets of one stream say about time: a few numbers a packet, so that hours of them fit in memory."""

from __future__ import annotations

import re
import struct
from array import array
from functools import cached_property
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

Stream = av.AudioStream | av.VideoStream
Ticks = NDArray[np.int64]  # times in units of the stream's time base
_NO_TIME = -(1 << 63)
_KEY, _DISCARD, _SETUP = 1, 2, 4
_USUAL_RATE = 25  # of a stream that states none
_PACKED = re.compile(rb"DivX\d+(b|Build)\d+p")  # MPEG-4 with two pictures in one packet and none in another


class Timeline(NamedTuple):
    """The pictures of a stream in the order of display.

    Picture k is on display from ``starts[k]`` to ``starts[k + 1]``, the last one until ``end``. Its packet has the
    number ``packets[k]``; where that is None only the decoder knows the order.
    """

    starts: Ticks
    end: int
    packets: NDArray[np.int64] | None


class Track:
    """A stream and the times of its packets; a packet's number is its place in decoding order.

    Args:
        stream: one of an open file.
        has_display_times: whether the file says when each packet is presented; FFmpeg makes up what an AVI does not.
    """

    def __init__(self, stream: Stream, has_display_times: bool) -> None:
        self.stream, self._has_display_times = stream, has_display_times
        self._tick_seconds = float(stream.time_base or 0)
        self.n_priming = 0  # samples at the start that only warm the decoder up
        self._pts, self._dts, self._durations, self._flags = array("q"), array("q"), array("q"), bytearray()

    def __len__(self) -> int:
        """Return the number of packets."""
        return len(self._flags)

    @property
    def is_decodable(self) -> bool:
        """Whether FFmpeg has a decoder for the stream."""
        context: Any = self.stream.codec_context
        return context is not None

    def add(self, packet: av.Packet[Any]) -> None:
        """Note the next packet in decoding order."""
        if not self._flags and packet.has_sidedata("skip_samples"):
            (self.n_priming,) = struct.unpack_from("<I", bytes(packet.get_sidedata("skip_samples")))
        pts, dts = packet.pts, packet.dts
        self._pts.append(_NO_TIME if pts is None else pts)
        self._dts.append(_NO_TIME if dts is None else dts)
        self._durations.append(packet.duration or 0)
        is_setup = packet.has_sidedata("palette") or packet.has_sidedata("new_extradata")
        self._flags.append(_KEY * packet.is_keyframe + _DISCARD * packet.is_discard + _SETUP * is_setup)

    @property
    def first_time(self) -> int | None:
        """The tick at which the first packet is decoded; None where it does not say."""
        return self._dts[0] if len(self) and self._dts[0] != _NO_TIME else None

    @property
    def stated_seconds(self) -> float:
        """How long the header says the stream is, 0 where it does not: MKV has it in a tag that its writers keep.

        FFmpeg gives a stream of few packets or none the length of the file, where only that tag says another.
        """
        hours = self.stream.metadata.get("DURATION", "").split(":")  # 00:00:02.500000000
        if len(hours) == 3 and all(part.replace(".", "", 1).isdecimal() for part in hours):
            return sum(float(part) * unit for part, unit in zip(hours, (3600, 60, 1), strict=True))
        return self.seconds(self.stream.duration or 0) if len(self) else 0.0

    def seconds(self, ticks: int) -> float:
        """Return ticks of the stream's time base as seconds."""
        return ticks * self._tick_seconds

    @cached_property
    def pts(self) -> Ticks:
        """When each packet is presented."""
        return np.array(self._pts, np.int64)

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """Numbers of the packets that are key frames, (n_keys,), rising."""
        return np.flatnonzero(self._has(_KEY))

    @cached_property
    def setups(self) -> NDArray[np.int64]:
        """Numbers, (n,), of the packets that bring what later ones are decoded with: colours, another header."""
        return np.flatnonzero(self._has(_SETUP))

    @cached_property
    def end(self) -> int | None:
        """The tick at which the last packet ends; None where no packet has a time."""
        dts, durations = np.array(self._dts, np.int64), np.array(self._durations, np.int64)
        times = np.where(self.pts == _NO_TIME, dts, self.pts)
        is_known = times != _NO_TIME
        return int((times + durations)[is_known].max()) if is_known.any() else None

    @cached_property
    def before_zero(self) -> int:
        """The tick at which what is shown or heard begins, if that is below 0, else 0."""
        return int(self.pts[(self.pts != _NO_TIME) & ~self._has(_DISCARD)].min(initial=0))

    @cached_property
    def start_seconds(self) -> float:
        """When the first picture is on display, or the first sample that is no priming is heard; 0 if that is open."""
        if self.stream.type == "video":
            starts = self.timeline.starts
            return self.seconds(int(starts[0])) if len(starts) else 0.0
        heard = self.pts[(self.pts != _NO_TIME) & ~self._has(_DISCARD)]
        if not len(heard):
            return 0.0
        n_priming_ticks = int(self.n_priming / self.stream.rate / self._tick_seconds + 0.5)
        return self.seconds(max(int(heard[0]), int(self.pts[0]) + n_priming_ticks))

    @cached_property
    def timeline(self) -> Timeline:
        """The pictures to show: none before the first key frame, none outside an edit list."""
        if not len(self.keys):
            return Timeline(np.empty(0, np.int64), 0, np.empty(0, np.int64))
        first = int(self.keys[0])
        pts = self.pts[first:]
        is_order_hidden = self._is_order_hidden(pts)
        is_shown = ~self._has(_DISCARD)[first:]
        if is_order_hidden:
            packets = first + np.flatnonzero(is_shown)
            starts = self._in_decoding_order(packets)
        else:
            shown = np.flatnonzero((pts >= pts[0]) & is_shown)
            packets = first + shown[np.argsort(pts[shown], kind="stable")]
            starts = self.pts[packets]
        if not len(starts):
            return Timeline(starts, 0, packets)
        last = self._durations[packets[-1]] or int(starts[-1] - starts[0]) // max(1, len(starts) - 1)
        return Timeline(starts, int(starts[-1]) + last, None if is_order_hidden else packets)

    def _has(self, flag: int) -> NDArray[np.bool_]:
        """Which packets carry a flag."""
        is_set: NDArray[np.bool_] = (np.frombuffer(self._flags, np.uint8) & flag) > 0
        return is_set

    def _is_order_hidden(self, pts: Ticks) -> bool:
        """Whether pictures change places in the decoder while times are missing or only count packets, as in AVI."""
        context: Any = self.stream.codec_context
        is_packed = _PACKED.search(context.extradata or b"") is not None
        has_only_rising_times = is_packed or bool((np.diff(pts) >= 0).all())
        return bool((pts == _NO_TIME).any() or (context.has_b_frames and has_only_rising_times))

    def _in_decoding_order(self, packets: NDArray[np.int64]) -> Ticks:
        """The times that the pictures of these packets take in turn: of display, of decoding, or at an even rate."""
        dts = np.array(self._dts, np.int64)[packets]
        for times in (self.pts[packets], dts) if self._has_display_times else (dts,):
            if not (times == _NO_TIME).any():
                return np.sort(times)
        stream: Any = self.stream
        rate = stream.average_rate or stream.guessed_rate or _USUAL_RATE
        return (np.arange(len(packets)) / float(rate * stream.time_base)).astype(np.int64)
