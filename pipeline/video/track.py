"""What the packets of one stream say about time: a few numbers a packet, so that hours of them fit in memory."""

from __future__ import annotations

import re
import struct
from array import array
from functools import cached_property
from typing import Any, NamedTuple, cast

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

Stream = av.AudioStream | av.VideoStream
Ticks = NDArray[np.int64]  # times in units of the stream's time base
_NO_TIME = -(1 << 63)
_KEY, _DISCARD, _SETUP = 1, 2, 4
_SETUPS = ("palette", "new_extradata")  # what stands beside a packet that later ones are decoded with
_EDIT_SECONDS = 0.001  # as far as an edit list may be from a packet's end by rounding
_USUAL_RATE = 25  # of a stream that states none
_PACKED = re.compile(rb"DivX\d+(b|Build)\d+p")  # MPEG-4 with two pictures in one packet and none in another


class First(NamedTuple):
    """The picture that the decoder gives first: the packet it began with, and when the picture is presented.

    ``n_lost`` pictures from that packet on are left out; it is counted only where no packet says when it is presented.
    """

    number: int
    pts: int | None
    n_lost: int = 0


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
        format: FFmpeg's name of the file's format.
        edit_end_seconds: when an edit list ends the stream; None: FFmpeg says it, or there is none.
    """

    def __init__(self, stream: Stream, format: str, edit_end_seconds: float | None = None) -> None:
        self.stream, self._edit_end_seconds = stream, edit_end_seconds
        self.kind, self.context = stream.type, cast(Any, stream.codec_context)
        self.has_display_times = format != "avi"  # FFmpeg makes up what an AVI does not say
        self._has_edits = format.startswith("mov")
        self.given: First | None = None  # what the decoder shows first, where that is not the first key frame
        self._tick_seconds = float(stream.time_base or 0)
        self.place = 0  # of the first packet in the file, bytes
        self.n_priming = 0  # samples at the start that only warm the decoder up
        self._pts, self._dts, self._durations, self._flags = array("q"), array("q"), array("q"), bytearray()

    def __len__(self) -> int:
        """Return the number of packets."""
        return len(self._flags)

    @property
    def is_decodable(self) -> bool:
        """Whether FFmpeg has a decoder for the stream."""
        return self.context is not None

    @property
    def is_default(self) -> bool:
        """Whether the file says that players take this track unless they are told otherwise."""
        return bool(self.stream.disposition & Disposition.default)

    @property
    def has_pictures(self) -> bool:
        """Whether there are pictures that can be decoded."""
        return self.kind == "video" and self.is_decodable

    def add(self, packet: av.Packet[Any]) -> None:
        """Note the next packet in decoding order."""
        if not self._flags:
            self._begin_with(packet)
        pts, dts = packet.pts, packet.dts
        self._pts.append(_NO_TIME if pts is None else pts)
        self._dts.append(_NO_TIME if dts is None else dts)
        self._durations.append(packet.duration or 0)
        flags = _KEY * packet.is_keyframe + _DISCARD * packet.is_discard
        for beside in packet.iter_sidedata():  # asking for each kind takes five times as long
            flags |= _SETUP * (beside.data_type in _SETUPS)
        self._flags.append(flags)

    def _begin_with(self, packet: av.Packet[Any]) -> None:
        """Note what only the first packet tells."""
        self.place = packet.pos or 0
        for beside in packet.iter_sidedata():
            if beside.data_type == "skip_samples":
                (self.n_priming,) = struct.unpack_from("<I", bytes(beside))

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
    def first(self) -> int | None:
        """The number of the packet that decoding begins with: a key frame, or what the decoder takes for one."""
        key = int(self.keys[0]) if len(self.keys) else None
        if self.given is None or key == self.given.number:
            return key
        if self.given.pts is None:
            return self.given.number if key is None else min(key, self.given.number)
        return self.given.number if key is None or self.given.pts < self.pts[key] else key

    @cached_property
    def fall_seconds(self) -> float:
        """By how much times fall back where they must not: to a key frame, or anywhere if no picture changes places."""
        times = self.pts[self._is_timed]
        if (times[1:] >= times[:-1]).all():
            return 0.0
        falls = np.maximum.accumulate(times)[:-1] - times[1:]
        if self.context and self.context.codec.reorder:
            falls = falls[self._has(_KEY)[self._is_timed][1:]]
        return self.seconds(int(falls.max(initial=0)))

    @cached_property
    def setups(self) -> NDArray[np.int64]:
        """Numbers, (n,), of the packets that bring what later ones are decoded with: colours, another header."""
        return np.flatnonzero(self._has(_SETUP))

    @cached_property
    def end(self) -> int | None:
        """The tick at which the last packet ends, or its edit list before that; None where no packet has a time."""
        times, durations = self.pts, np.array(self._durations, np.int64)
        if not self._is_timed.all():
            times = np.where(self._is_timed, times, np.array(self._dts, np.int64))
            is_known = times != _NO_TIME
            times, durations = times[is_known], durations[is_known]
        return self._cut(self.begin, int(times.max()), int((times + durations).max())) if len(times) else None

    @cached_property
    def begin(self) -> int:
        """The tick of the first packet that is shown or heard; 0 if that is open."""
        return int(self._heard.min()) if len(self._heard) else 0

    @property
    def most_seconds(self) -> float:
        """How long all packets are, and the one that an edit list begins in, which FFmpeg leaves out as a whole."""
        if self.end is None:
            return 0.0
        n_left_out_ticks = 0
        if self._is_discarded.any():
            left_out = self.pts[self._is_timed & self._is_discarded & (self.pts < self.begin)]
            n_left_out_ticks = self.begin - int(left_out.max()) if len(left_out) else 0
        return self.seconds(self.end - min(0, self.begin) + n_left_out_ticks)

    @cached_property
    def _is_timed(self) -> NDArray[np.bool_]:
        """Which packets say when they are presented."""
        is_timed: NDArray[np.bool_] = self.pts != _NO_TIME
        return is_timed

    @cached_property
    def _heard(self) -> Ticks:
        """When those packets are presented that say so and are shown or heard."""
        return self.pts[self._is_timed & ~self._is_discarded]

    @cached_property
    def _is_discarded(self) -> NDArray[np.bool_]:
        """Which packets are only decoded."""
        return self._has(_DISCARD)

    @cached_property
    def start_seconds(self) -> float:
        """When the first picture is on display, or the first sample that is no priming is heard; 0 if that is open."""
        if self.kind == "video":
            starts = self.timeline.starts
            return self.seconds(int(starts[0])) if len(starts) else 0.0
        if not len(self._heard) or not self.stream.rate:  # none is known of sound that is scrambled
            return self.seconds(self.begin)
        n_priming_ticks = int(self.n_priming / self.stream.rate / self._tick_seconds + 0.5)
        return self.seconds(max(int(self._heard[0]), int(self.pts[0]) + n_priming_ticks))

    @cached_property
    def timeline(self) -> Timeline:
        """The pictures to show: none before the first that the decoder gives, none outside an edit list."""
        if (first := self.first) is None:
            return Timeline(np.empty(0, np.int64), 0, np.empty(0, np.int64))
        is_order_hidden = self._is_order_hidden(self.pts[first:])
        packets = np.arange(first, len(self))
        if not is_order_hidden:
            packets = first + np.argsort(self.pts[first:], kind="stable")
        takes_turns = is_order_hidden or not self.has_display_times
        starts = self._in_decoding_order(packets) if takes_turns else self.pts[packets]
        is_shown = ~self._is_discarded[packets]
        if not is_order_hidden:
            is_shown &= self.pts[packets] >= self._first_pts(first)
        packets, starts = packets[is_shown], starts[is_shown]
        if is_order_hidden and self.given:
            starts = starts[max(0, self.given.n_lost - (first - self.given.number)) :]
        end = self._end_of_last(starts, int(packets[-1])) if len(starts) else 0
        return Timeline(starts, end, None if is_order_hidden else packets)

    def _first_pts(self, first: int) -> int:
        """When the first picture is presented, of those that decoding from a packet on brings."""
        return int(self.pts[first]) if self.given is None or self.given.pts is None else self.given.pts

    def _end_of_last(self, starts: Ticks, packet: int) -> int:
        """The tick until which the last picture is on display."""
        last, stated = int(starts[-1]), self.stream.duration or 0
        mean = (last - int(starts[0])) // max(1, len(starts) - 1)
        if not self.has_display_times:  # an AVI counts in ticks, of which a picture may last many
            return stated if stated > last > 0 else last + max(mean, self._durations[packet])
        return self._cut(int(starts[0]), last, last + (self._durations[packet] or mean))

    def _cut(self, begin: int, last: int, end: int) -> int:
        """Where an edit list, which counts in milliseconds, ends a stream: it cuts nothing but the last packet."""
        if self._edit_end_seconds is None:
            stated = max(0, begin) + (self.stream.duration or 0)
        else:
            stated = round(self._edit_end_seconds / self._tick_seconds)
        is_cut = self._has_edits and last < stated and self.seconds(end - stated) > _EDIT_SECONDS
        return stated if is_cut else end

    def _has(self, flag: int) -> NDArray[np.bool_]:
        """Which packets carry a flag."""
        is_set: NDArray[np.bool_] = (np.frombuffer(self._flags, np.uint8) & flag) > 0
        return is_set

    def _is_order_hidden(self, pts: Ticks) -> bool:
        """Whether pictures change places in the decoder while times are missing or only count packets, as in AVI."""
        is_packed = _PACKED.search(self.context.extradata or b"") is not None
        has_only_rising_times = is_packed or bool((pts[1:] >= pts[:-1]).all())
        return bool((pts == _NO_TIME).any() or (self.context.has_b_frames and has_only_rising_times))

    def _in_decoding_order(self, packets: NDArray[np.int64]) -> Ticks:
        """The times that the pictures of these packets take in turn: of display, of decoding, or at an even rate."""
        dts = np.array(self._dts, np.int64)[packets]
        for times in (self.pts[packets], dts) if self.has_display_times else (dts,):
            if not (times == _NO_TIME).any():
                return np.sort(times)
        stream: Any = self.stream
        rate = stream.average_rate or stream.guessed_rate or _USUAL_RATE
        return (np.arange(len(packets)) / float(rate * stream.time_base)).astype(np.int64)
