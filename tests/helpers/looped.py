"""A clip of any length in seconds: the packets of a short one, over and over, without encoding again."""

from pathlib import Path

import av


def write_looped(path: Path, source: Path, n_loops: int) -> Path:
    """Write the packets of a clip several times in a row, each time later by the clip's length, and return the path.

    Args:
        path: the file to write.
        source: a clip of one picture stream and perhaps a sound, beginning with a key frame.
        n_loops: how often.
    """
    with av.open(str(source)) as container, av.open(str(path), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in container.streams}
        packets = [packet for packet in container.demux() if packet.dts is not None]
        times = [(packet.stream_index, packet.time_base, packet.pts or 0, packet.dts or 0) for packet in packets]
        ends_seconds = [(packet.dts + (packet.duration or 0)) * packet.time_base for packet in packets]
        length_seconds = max(ends_seconds) - min(packet.dts * packet.time_base for packet in packets)
        for loop in range(n_loops):
            for packet, (index, time_base, pts, dts) in zip(packets, times, strict=True):
                shift = round(loop * length_seconds / time_base)
                packet.stream, packet.time_base = streams[index], time_base  # writing has changed them
                packet.pts, packet.dts = pts + shift, dts + shift
                out.mux(packet)
    return path
