"""Clips in and out: the waveform and the pictures of a media file, and a small H.264 + AAC writer."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import soxr
from av.container import InputContainer, OutputContainer
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from pipeline.errors import ClipError, DataError, ParamsError

Picture = NDArray[np.uint8]  # (height, width, 3) RGB
Offset = Callable[[int], float]
Track = av.AudioStream | av.VideoStream
Timed = tuple[int, "av.Packet[Any]"]  # presentation time in ticks of the stream, packet
_BITEXACT = {"flags": "+bitexact"}  # no encoder name or version in the stream
_ROUNDING_SECONDS = 1e-6  # a picture counts as on display this much early, since k / frames_per_second is rounded
_SLACK_SECONDS, _SLACK_FRACTION = 0.25, 0.01  # how far the header of a whole file may overstate its length


def read_waveform(path: Path, sample_rate: int = 16000) -> NDArray[np.float32]:
    """Return the sound of a clip, its channels averaged.

    Args:
        path: the media file.
        sample_rate: rate to return, in Hz.

    Returns:
        float32 (n_samples,) in [-1, 1].

    Raises:
        ClipError: the file is no media, damaged, cut short or has no sound.
    """
    with _reading(path) as container:
        stream = next(iter(container.streams.audio), None)
        if stream is None or not (packets := _demux(path, container, stream)):
            raise ClipError(str(path), "no_audio", "no audio in the file", "an audio stream")
        waveform = _decode_audio(path, stream, packets)
        if stream.rate != sample_rate:
            waveform = soxr.resample(waveform, stream.rate, sample_rate, quality="HQ")
    return np.clip(waveform, -1, 1)


def sample_frames(path: Path, frames_per_second: float = 1.0, offset_seconds: float = 0.5) -> NDArray[np.uint8]:
    """Return the pictures on display at evenly spaced times.

    Args:
        path: the media file.
        frames_per_second: how many pictures a second.
        offset_seconds: time of the first one, counted from the video's first picture.

    Returns:
        uint8 (n, height, width, 3) RGB, upright; picture k is on display at offset_seconds + k / frames_per_second.

    Raises:
        ClipError, ParamsError: as ``iter_frames`` does.
    """
    pictures = [picture for _, picture in iter_frames(path, frames_per_second, lambda _: offset_seconds)]
    if not pictures:
        _, first = next(iter_frames(path, 1.0, lambda _: 0.0))
        return np.empty((0, *first.shape), np.uint8)
    return np.stack(pictures)


def iter_frames(path: Path, frames_per_second: float, offset_of: Offset) -> Iterator[tuple[float, Picture]]:
    """Yield the picture on display at each t_k = k / frames_per_second + offset_of(k), decoding as it goes.

    Time starts at the video's first picture, and the last one lasts its own duration. A picture on display at several
    t_k comes several times; one of another size than the header states is scaled.

    Args:
        path: the media file.
        frames_per_second: how many times a second.
        offset_of: seconds to add to the k-th time, at least 0; the times must not decrease.

    Yields:
        t_k in seconds, and uint8 (height, width, 3) RGB, upright.

    Raises:
        ClipError: the file is no media, damaged, cut short or has no video.
        ParamsError: frames_per_second is not above 0, or an offset is below 0.
    """
    with _reading(path) as container:
        stream = next((s for s in _tracks(container) if s.type == "video"), None)
        if stream is None or not (shown := _shown(packets := _demux(path, container, stream))):
            raise ClipError(str(path), "no_video", "no video in the file", "a video stream with a key frame")
        targets = list(_schedule(shown, frames_per_second, offset_of))[::-1]  # the earliest last
        wanted = {pts for _, pts in targets}
        to_rgb, size = VideoReformatter(), (stream.width, stream.height)
        for frame in _frames(path, stream, packets, wanted):
            if frame.pts in wanted:
                picture = _upright(to_rgb.reformat(frame, *size, "rgb24"), frame)
                while targets and targets[-1][1] == frame.pts:
                    yield targets.pop()[0], picture
        if targets:
            raise ClipError(
                str(path), "undecodable", f"no picture decoded for {targets[-1][0]:.2f} s", "one in its turn"
            )


def write_mp4(
    path: Path, pictures: Iterable[Picture], frames_per_second: int, waveform: NDArray[np.float32], sample_rate: int
) -> None:
    """Write an H.264 + AAC file whose bytes depend on the arguments alone; it appears under its name when it is whole.

    Args:
        path: where the file goes; an older file of that name is replaced.
        pictures: at least one picture, each uint8 (height, width, 3) RGB of one even size.
        frames_per_second: rate of the pictures.
        waveform: float32 (n_samples,) mono in [-1, 1].
        sample_rate: rate of the waveform in Hz, one that AAC knows.

    Raises:
        DataError: there is no picture, or the pictures' size is odd.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with av.open(str(partial), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
            packets = _encode_pictures(container, pictures, frames_per_second)
            sound = container.add_stream("aac", rate=sample_rate, layout="mono", options=_BITEXACT)
            frame = av.AudioFrame.from_ndarray(waveform[None].astype(np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = sample_rate, Fraction(1, sample_rate), 0
            packets += sound.encode(frame) + sound.encode(None)
            container.mux(sorted(packets, key=lambda packet: Fraction(packet.dts or 0) * packet.time_base))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _reading(path: Path) -> Iterator[InputContainer]:
    """The open file; what FFmpeg cannot read or decode inside the block becomes a ClipError."""
    try:
        with _open(path) as container:
            yield container
    except OSError as error:
        raise ClipError(str(path), "unreadable", f"{error.strerror}", "a file that can be read") from error
    except av.error.FFmpegError as error:
        raise ClipError(str(path), "undecodable", f"damaged data ({error.strerror})", "intact packets") from error


def _open(path: Path) -> InputContainer:
    """The open file. ``file:`` keeps a colon in its name from being read as a protocol."""
    try:
        return av.open(f"file:{path}", "r", metadata_errors="ignore")
    except av.error.InvalidDataError as error:
        with path.open("rb") as file:
            is_mp4 = file.read(8)[4:] == b"ftyp"
        if is_mp4:
            raise ClipError(str(path), "truncated", "an MP4 without its index (moov)", "a whole file") from error
        raise ClipError(str(path), "not_media", "no format that FFmpeg knows", "a media file") from error


def _tracks(container: InputContainer) -> list[Track]:
    """The sound and the moving pictures; a cover is a picture attached to the sound, no video."""
    videos = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    return [*container.streams.audio, *videos]


def _demux(path: Path, container: InputContainer, wanted: Track) -> list[Timed]:
    """The packets of one stream in decoding order, once the whole file is known to be there."""
    packets: list[Timed] = []
    ends_seconds = {stream.index: 0.0 for stream in _tracks(container)}
    for packet in container.demux(_tracks(container)):
        if packet.is_corrupt:
            raise ClipError(str(path), "truncated", "a packet is incomplete", "a whole file")
        if packet.size and packet.pts is not None:
            end_seconds = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            ends_seconds[packet.stream_index] = max(end_seconds, ends_seconds[packet.stream_index])
            if packet.stream_index == wanted.index:
                packets.append((packet.pts, packet))
    _check_whole(path, container, ends_seconds)
    return packets


def _check_whole(path: Path, container: InputContainer, ends_seconds: dict[int, float]) -> None:
    """Compare where the packets end with the durations that the header states, for each stream or for all together."""
    for stream in _tracks(container):
        present, stated = ends_seconds[stream.index], float((stream.duration or 0) * (stream.time_base or 0))
        if not stated:
            present, stated = max(ends_seconds.values()), (container.duration or 0) / av.time_base
        if present < stated * (1 - _SLACK_FRACTION) - _SLACK_SECONDS:
            raise ClipError(
                str(path), "truncated", f"{present:.2f} s of {stream.type}", f"{stated:.2f} s by its header"
            )


def _decode_audio(path: Path, stream: av.AudioStream, packets: list[Timed]) -> NDArray[np.float32]:
    """Mono samples (n_samples,) at the stream's own rate, without the padding of the last frame."""
    to_float = av.AudioResampler("fltp")
    parts, last_pts, n_last = [np.empty(0, np.float32)], 0, 0
    for packet in [*(packet for _, packet in packets), None]:
        for frame in _decode(path, stream, packet):
            last_pts, n_last = frame.pts or 0, frame.samples
            parts += [part.to_ndarray().mean(axis=0) for part in to_float.resample(frame)]
    waveform, (pts, packet) = np.concatenate(parts), packets[-1]
    n_kept = round((pts + (packet.duration or 0) - last_pts) * packet.time_base * stream.rate)
    return waveform[: len(waveform) - n_last + n_kept] if 0 < n_kept < n_last else waveform


def _decode(path: Path, stream: Track, packet: av.Packet[Any] | None) -> list[Any]:
    """The frames that one packet, or None for the end, brings out of the decoder; none of them guessed."""
    frames = stream.codec_context.decode(packet)
    if any(frame.is_corrupt for frame in frames):
        raise ClipError(str(path), "undecodable", "damaged data (a concealed frame)", "intact packets")
    return frames


def _shown(packets: list[Timed]) -> list[Timed]:
    """The packets to show, in the order of display: none before the first key frame, none outside an edit list."""
    decodable = list(itertools.dropwhile(lambda timed: not timed[1].is_keyframe, packets))
    shown = [timed for timed in decodable if timed[0] >= decodable[0][0] and not timed[1].is_discard]
    return sorted(shown, key=lambda timed: timed[0])


def _schedule(shown: list[Timed], frames_per_second: float, offset_of: Offset) -> Iterator[tuple[float, int]]:
    """Each wanted time in seconds, with the presentation time in ticks of the picture on display then."""
    if not frames_per_second > 0:
        raise ParamsError(f"frames_per_second={frames_per_second}; expected more than 0")
    starts, last = [pts for pts, _ in shown], shown[-1][1]
    end = starts[-1] + (last.duration or (starts[-1] - starts[0]) // max(1, len(starts) - 1))
    for k in itertools.count():
        if not (offset_seconds := offset_of(k)) >= 0:
            raise ParamsError(f"offset_seconds={offset_seconds}; expected 0 or more")
        time_seconds = k / frames_per_second + offset_seconds
        tick = starts[0] + int((time_seconds + _ROUNDING_SECONDS) / last.time_base)
        if tick >= end:
            return
        yield time_seconds, starts[bisect_right(starts, tick) - 1]


def _frames(path: Path, stream: av.VideoStream, packets: list[Timed], wanted: set[int]) -> Iterator[av.VideoFrame]:
    """Frames in the order of display, every wanted one among them, from as few packets as will do."""
    stream.thread_count = 1
    for run in _runs(packets, wanted):
        for pts, packet in packets[run]:
            stream.codec_context.skip_frame = "DEFAULT" if pts in wanted else "NONREF"
            yield from _decode(path, stream, packet)
        yield from _decode(path, stream, None)
        stream.codec_context.flush_buffers()


def _runs(packets: list[Timed], wanted: set[int]) -> list[slice]:
    """Stretches of packets to decode, each from a key frame to the last wanted picture that depends on it."""
    keys = [index for index, (_, packet) in enumerate(packets) if packet.is_keyframe]
    stops: dict[int, int] = {}
    for index, (pts, _) in enumerate(packets):
        if pts in wanted:
            key = bisect_right(keys, index) - 1
            is_leading = key > 0 and pts < packets[keys[key]][0]  # in an open GOP: needs the key frame before that
            stops[keys[key - is_leading]] = index + 1
    runs: list[slice] = []
    for start, stop in sorted(stops.items()):
        if runs and start <= runs[-1].stop:
            runs[-1] = slice(runs[-1].start, max(stop, runs[-1].stop))
        else:
            runs.append(slice(start, stop))
    return runs


def _upright(rgb: av.VideoFrame, frame: av.VideoFrame) -> Picture:
    """The RGB picture (H, W, 3), turned and mirrored in quarter turns as the frame's display matrix says."""
    picture: Picture = np.asarray(rgb.to_ndarray(), np.uint8)
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return picture
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32)  # (x, y) goes to (a x + c y, b x + d y)
    if abs(b) > abs(a):
        picture, a, d = picture.swapaxes(0, 1), c, b
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _encode_pictures(container: OutputContainer, pictures: Iterable[Picture], rate: int) -> list[av.Packet[Any]]:
    """Packets of a new H.264 stream."""
    pictures = iter(pictures)
    if (first := next(pictures, None)) is None:
        raise DataError("pictures: none; expected at least one")
    height, width, _ = first.shape
    if height % 2 or width % 2:
        raise DataError(f"pictures: {width} x {height}; expected an even width and height")
    stream = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast", **_BITEXACT})
    stream.width, stream.height, stream.pix_fmt, stream.thread_count = width, height, "yuv420p", 1
    packets: list[av.Packet[Any]] = []
    for index, picture in enumerate(itertools.chain([first], pictures)):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, rate)
        packets += stream.encode(frame)
    return packets + stream.encode(None)
