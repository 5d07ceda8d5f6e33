"""The pictures of a media file at wanted times, decoded from as few packets as will do."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from pipeline.errors import ClipError, ParamsError
from pipeline.settings.paths import AnyPath
from pipeline.video.bounds import BOUNDS, Bounds
from pipeline.video.media import Media, reading
from pipeline.video.opening import LONGEST_WAIT
from pipeline.video.track import Track

Picture = NDArray[np.uint8]  # (height, width, 3) RGB
Offset = Callable[[int], float]
Target = tuple[float, int]  # a wanted time in seconds, the place in the timeline of the picture on display then
_ROUNDING_SECONDS = 1e-6  # a picture counts as on display this much early, since k / frames_per_second is rounded


def sample_frames(path: AnyPath, frames_per_second: float = 1.0, offset_seconds: float = 0.5) -> NDArray[np.uint8]:
    """Return the pictures on display at evenly spaced times.

    Args:
        path: the media file.
        frames_per_second: how many pictures a second.
        offset_seconds: time of the first one, counted from the video's first picture.

    Returns:
        uint8 (n, height, width, 3) RGB, upright; picture k is on display at offset_seconds + k / frames_per_second.

    Raises:
        ClipError, ParamsError: as ``iter_frames`` does.

    Example:
        >>> from pipeline.video import write_mp4
        >>> pictures = [np.full((64, 96, 3), level, np.uint8) for level in (0, 80, 160, 240)]
        >>> write_mp4(Path("grey.mp4"), pictures, 2, np.zeros(32000, np.float32), 16000)
        >>> frames = sample_frames(Path("grey.mp4"))  # at 0.5 s and 1.5 s
        >>> frames.shape, frames.mean(axis=(1, 2, 3)).round(-1).tolist()
        ((2, 64, 96, 3), [80.0, 240.0])
    """
    pictures = [picture for _, picture in iter_frames(path, frames_per_second, lambda _: offset_seconds)]
    if not pictures:
        _, first = next(iter_frames(path, 1.0, lambda _: 0.0))
        return np.empty((0, *first.shape), np.uint8)
    return np.stack(pictures)


def iter_frames(
    path: AnyPath, frames_per_second: float, offset_of: Offset, bounds: Bounds = BOUNDS
) -> Iterator[tuple[float, Picture]]:
    """Yield the picture on display at each t_k = k / frames_per_second + offset_of(k), decoding as it goes.

    t_k counts from the video's first picture, and the last one lasts its own duration. A picture on display at several
    t_k comes several times; one of another size than the first is scaled.

    Args:
        path: the media file.
        frames_per_second: how many times a second.
        offset_of: seconds to add to the k-th time, at least 0; the times must not decrease.
        bounds: what the file may ask for.

    Yields:
        t_k on the file's clock, in seconds from the earlier of the first picture and the first sample of the sound,
        and uint8 (height, width, 3) RGB, upright.

    Raises:
        ClipError: the file is no media, damaged, cut short, out of bounds or has no video.
        ParamsError: frames_per_second is not above 0, or an offset is below 0.
    """
    path = Path(path)
    with reading(path, "video", bounds) as media:
        track = media.pictures
        if track is None or not len(track.timeline.starts):
            raise ClipError(str(path), "no_video", "no video in the file", "a video stream with a key frame")
        if track.first and media.is_cut_at_keys:
            raise ClipError(str(path), "undecodable", "the first picture is no key frame", "a key frame first")
        _check_gaps(media, track)
        targets = list(_bounded(media, _schedule(track, frames_per_second, offset_of)))[::-1]  # the earliest last
        begin_seconds = media.since_start_seconds(track)
        to_rgb, size = VideoReformatter(), None
        for place, frame in _frames_at(media, track, {place for _, place in targets}):
            bounds.check(path, "picture_pixels", frame.width * frame.height, "pixels a picture")
            size = size or (frame.width, frame.height)
            picture = _upright(to_rgb.reformat(frame, *size, "rgb24", threads=1), frame)
            while targets and targets[-1][1] == place:
                yield begin_seconds + targets.pop()[0], picture
        if targets:
            raise ClipError(
                str(path), "undecodable", f"no picture decoded for {targets[-1][0]:.2f} s", "one in its turn"
            )


def _schedule(track: Track, frames_per_second: float, offset_of: Offset) -> Iterator[Target]:
    """Each wanted time inside the video, in seconds from its first picture."""
    if not frames_per_second > 0:
        raise ParamsError(f"frames_per_second={frames_per_second}; expected more than 0")
    starts, end, _ = track.timeline
    for k in itertools.count():
        if not (offset_seconds := offset_of(k)) >= 0:
            raise ParamsError(f"offset_seconds={offset_seconds}; expected 0 or more")
        time_seconds = k / frames_per_second + offset_seconds
        tick = int(starts[0]) + int((time_seconds + _ROUNDING_SECONDS) / (track.stream.time_base or 1))
        if tick >= end:
            return
        yield time_seconds, int(np.searchsorted(starts, tick, side="right")) - 1


def _check_gaps(media: Media, track: Track) -> None:
    """Refuse a video with a picture that is on display for too long."""
    starts, end, _ = track.timeline
    longest = int(np.diff(starts, append=end).max())
    media.bounds.check(media.path, "gap_seconds", track.seconds(longest), "s of one and the same picture")


def _bounded(media: Media, targets: Iterator[Target]) -> Iterator[Target]:
    """The wanted times, if they are not too many."""
    for n_targets, target in enumerate(targets, 1):
        media.bounds.check(media.path, "rows_per_clip", n_targets, "pictures and more")
        yield target


def _frames_at(media: Media, track: Track, wanted: set[int]) -> Iterator[tuple[int, av.VideoFrame]]:
    """The wanted frames and their places in the timeline, in the order of display."""
    context, timeline, last = track.context, track.timeline, max(wanted, default=-1)
    context.thread_count = 1
    if timeline.packets is None and context.name == "h264":
        context.options = LONGEST_WAIT
    context.open(strict=False)  # before skip_frame is set: the decoder of AV1 reads that once, when it opens
    if timeline.packets is None:
        for place, frame in enumerate(itertools.islice(_every_frame(media, track), last + 1)):
            if place in wanted:
                yield place, frame
        return
    places = {int(track.pts[timeline.packets[place]]): place for place in wanted}
    for frame in _planned_frames(media, track, places):
        if frame.pts in places:
            yield places[frame.pts], frame


def _every_frame(media: Media, track: Track) -> Iterator[av.VideoFrame]:
    """All frames from the first key frame on."""
    packets = itertools.islice(media.packets(track), track.first or 0, None)
    for packet in itertools.chain(packets, [None]):
        yield from media.decode(track, packet)


def _planned_frames(media: Media, track: Track, wanted: dict[int, int]) -> Iterator[av.VideoFrame]:
    """Frames in the order of display, every one among them whose presentation time is wanted.

    Where a key frame turns out to be none everything is decoded, from the start: in an AVI of H.263, and where H.264
    renews pictures bit by bit (intra refresh).
    """
    packets, n_passed = media.packets(track), 0
    runs, first = _runs(track, wanted), track.first or 0
    for start, stop in runs:
        run = itertools.islice(packets, start - n_passed, stop - n_passed)
        is_key, start_tick = start == first, int(track.pts[start])
        for frame in _decoded(media, track, run, wanted):
            if not is_key and (frame.pts or 0) >= start_tick:
                is_key = bool(frame.key_frame) or frame.pict_type == PictureType.I
                if not is_key:
                    break
            yield frame
        if not is_key:
            track.context.flush_buffers()
            yield from _decoded(media, track, itertools.islice(media.packets(track), first, runs[-1][1]), wanted)
            return
        n_passed = stop


def _decoded(
    media: Media, track: Track, packets: Iterator[av.Packet[Any]], wanted: dict[int, int]
) -> Iterator[av.VideoFrame]:
    """Frames of a stretch of packets but for those that are neither wanted nor referred to by others."""
    context = track.context
    start_tick: int | None = None
    for packet in packets:
        tick = packet.pts or 0
        start_tick = tick if start_tick is None else start_tick
        if context.name == "mpeg4" and tick < start_tick and tick not in wanted:
            continue  # its decoder measures field times by the first B picture it sees, which must not be a leading one
        context.skip_frame = "DEFAULT" if tick in wanted else "NONREF"
        yield from media.decode(track, packet)
    yield from media.decode(track, None)
    context.flush_buffers()


def _runs(track: Track, wanted: dict[int, int]) -> list[tuple[int, int]]:
    """Stretches of packets to decode: from a key frame to the last wanted picture that depends on it, or a setup."""
    pts, first = track.pts, track.first or 0
    keys = np.union1d(first, track.keys[track.keys > first])
    numbers = np.flatnonzero(np.isin(pts, list(wanted)))
    numbers = numbers[numbers >= first]
    nearest = np.searchsorted(keys, numbers, side="right") - 1
    is_leading = (pts[numbers] < pts[keys[nearest]]) & (nearest > 0)  # in an open GOP: needs the key frame before that
    setups = track.setups[(track.setups >= first) & (track.setups < numbers.max(initial=0))]
    starts, numbers = np.concatenate([keys[nearest - is_leading], setups]), np.concatenate([numbers, setups])
    runs: list[tuple[int, int]] = []
    for start, number in sorted(zip(starts.tolist(), numbers.tolist(), strict=True)):
        if runs and start <= runs[-1][1]:
            runs[-1] = runs[-1][0], max(number + 1, runs[-1][1])
        else:
            runs.append((start, number + 1))
    return runs


def _upright(rgb: av.VideoFrame, frame: av.VideoFrame) -> Picture:
    """The RGB picture (H, W, 3), turned and mirrored in quarter turns as the frame's display matrix says."""
    picture: Picture = np.asarray(rgb.to_ndarray(), np.uint8)
    try:
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV 18 gives none of them where it does not know one, such as the Exif of motion JPEG
        return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90)))
    if matrix is None:
        return picture
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32)  # (x, y) goes to (a x + c y, b x + d y)
    if abs(b) > abs(a):
        picture, a, d = picture.swapaxes(0, 1), c, b
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
