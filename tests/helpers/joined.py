"""Clips one behind the other in one file, without encoding again, as FFmpeg's concat joins them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av

from pipeline.video import film_times


def write_joined(path: Path, clips: Sequence[Path]) -> Path:
    """Write the packets of clips in a row, each later by the pictures before it, and return the path.

    The sound that a codec puts before a clip is left out where the clip before it still sounds.

    Args:
        path: the file to write.
        clips: of one encoder and equal settings, each with pictures and a sound of the same length.
    """
    start, last = Fraction(0), dict[int, int]()
    with av.open(str(path), "w") as out:
        with av.open(str(clips[0])) as first:
            streams = [out.add_stream_from_template(stream) for stream in first.streams]
        for clip in clips:
            with av.open(str(clip)) as container:
                for packet in container.demux():
                    if packet.dts is None or packet.pts is None:
                        continue
                    index, shift = packet.stream_index, round(start / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    if packet.dts > last.get(index, packet.dts - 1):
                        last[index], packet.stream = packet.dts, streams[index]
                        out.mux(packet)
            start += Fraction(film_times(clip).end).limit_denominator(1000)
    return path
