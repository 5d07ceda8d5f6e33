"""A media file: opened, read through once to see that it is whole, and its packets, without keeping many of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition

from pipeline.errors import ClipError
from pipeline.settings.paths import AnyPath
from pipeline.video.bounds import BOUNDS, Bounds
from pipeline.video.opening import Opening
from pipeline.video.outline import Outline, outline
from pipeline.video.track import Stream, Track
from pipeline.video.whole import check_index

_PACKETS_BETWEEN_CHECKS = 1 << 14  # of the length of a file that is being read
HELD_BYTES = 32 << 20  # packets of one track are kept up to this size; those of a larger one are read a second time
_FORMATS = (  # playlists are not among them: their sound and pictures lie in other files
    "aac,ac3,aiff,apng,asf,au,avi,bmp_pipe,caf,dv,eac3,flac,flv,gif,h264,hevc,ivf,jpeg_pipe,m4v,matroska,mjpeg,mov,mp3,"
    "mpeg,mpegts,mpegvideo,mxf,nut,ogg,png_pipe,rawvideo,rm,svg_pipe,tiff_pipe,w64,wav,webp_pipe,wtv"
)
_CUT_AT_KEYS = ("mov", "matroska", "avi")  # formats whose writers begin with a key frame, unlike broadcasts
_LENGTH_IS_OPEN = ("aac", "ac3", "eac3", "h264", "hevc", "m4v", "mjpeg", "mp3", "mpeg")  # mpegts and mpegvideo, too
_TIMES_ONLY = {"skip_frame": "all"}  # opening decodes no picture
_TICK_SECONDS = 0.001  # of the coarsest container, Matroska
_SLACK_SECONDS, _SLACK_FRACTION = 0.25, 0.01  # how far the header of a whole file may overstate its length


class Media:
    """The sound and the pictures of an open file that is all there.

    Of several tracks of one kind it is the first that is marked as the default, or else the first; one of a single
    packet, such as a still, only where there is no other.

    Args:
        path: where the file is.
        container: the open file.
        kind: the track whose packets will be asked for, ``audio`` or ``video``.
        seen: what stands in the file beside its packets.
        bounds: of the streams, and of the length of the track.

    Raises:
        ClipError: the file is cut short, is out of bounds, or there is no decoder for the track.
    """

    def __init__(
        self,
        path: AnyPath,
        container: InputContainer,
        kind: str,
        seen: Outline,
        bounds: Bounds,
    ) -> None:
        self.path, self.bounds, self._format = Path(path), bounds, seen.format
        bounds.check(path, "n_streams", len(container.streams), "streams")
        self.is_cut_at_keys = container.format.name.startswith(_CUT_AT_KEYS)
        self._tracks = _tracks(container, seen)
        self._check_sizes()
        expected = self._chosen(kind)
        held = self._read_through(container, expected)
        self.sound, self.pictures = self._chosen("audio"), self._chosen("video")
        wanted = self.sound if kind == "audio" else self.pictures
        if wanted is not None and not wanted.is_decodable:
            raise ClipError(str(self.path), "undecodable", f"no decoder for its {kind}", "a codec that FFmpeg decodes")
        self._held = held if wanted is expected else None
        if not seen.extent.is_long_enough:
            check_index(self.path, [track.stream for track in self._tracks.values()])
        _check_whole(self.path, container, list(self._tracks.values()), is_exact=seen.extent.has_open_end)
        self._check_times()
        self._check_length(wanted)

    def packets(self, track: Track) -> Iterator[av.Packet[Any]]:
        """Yield the packets of the track that was asked for, in decoding order."""
        if self._held is not None:
            yield from self._held
            return
        with _open(self.path, {}, self._format) as again:
            for packet in again.demux(again.streams[track.stream.index]):
                if packet.size:
                    yield packet

    def decode(self, track: Track, packet: av.Packet[Any] | None) -> list[Any]:
        """Return the frames that one packet, or None for the end, brings out of the decoder.

        Raises:
            ClipError: the decoder guessed one of them.
        """
        frames: list[Any] = track.context.decode(packet)
        for frame in frames:
            if frame.is_corrupt:
                raise ClipError(str(self.path), "undecodable", "damaged data (a concealed frame)", "intact packets")
        return frames

    def since_start_seconds(self, track: Track) -> float:
        """Return how much later a track begins than the earlier one of sound and pictures."""
        tracks = [track for track in (self.sound, self.pictures) if track and track.is_decodable]
        return track.start_seconds - min(track.start_seconds for track in tracks)

    def _check_sizes(self) -> None:
        """Refuse large pictures before any is decoded."""
        for track in self._tracks.values():
            if track.has_pictures:
                n_pixels = track.context.width * track.context.height
                self.bounds.check(self.path, "picture_pixels", n_pixels, "pixels a picture")

    def _check_length(self, track: Track | None) -> None:
        """Refuse a file whose sound or pictures last too long."""
        if track is not None and track.end is not None:
            length_seconds = track.seconds(track.end) - track.start_seconds
            self.bounds.check(self.path, "clip_seconds", length_seconds, f"s of {track.kind}")

    def _chosen(self, kind: str) -> Track | None:
        """The track to use, as far as its packets are known."""
        tracks = [track for track in self._tracks.values() if track.kind == kind]
        if len(tracks) < 2:
            return tracks[0] if tracks else None
        return min(tracks, key=lambda track: (len(track) < 2, not track.is_default))

    def _read_through(self, container: InputContainer, wanted: Track | None) -> list[av.Packet[Any]] | None:
        """Note the times of all packets; return those of a track, or None if they are large."""
        held: list[av.Packet[Any]] = []
        n_bytes, wanted_index = 0, None if wanted is None else wanted.stream.index
        openings = {
            index: Opening(track.stream, track.has_display_times)
            for index, track in self._tracks.items()
            if track.has_pictures
        }
        for n_packets, packet in enumerate(self._demuxed(container), 1):
            index = packet.stream_index
            track = self._tracks[index]
            track.add(packet)
            if n_packets % _PACKETS_BETWEEN_CHECKS == 0:
                self._check_length_so_far(track, packet)
            if (opening := openings.get(index)) and opening.is_open:
                opening.add(packet)
            if index == wanted_index:
                n_bytes += packet.size
                if n_bytes <= HELD_BYTES:
                    held.append(packet)
                else:
                    held.clear()
        for index, opening in openings.items():
            opening.finish()
            self._tracks[index].given = opening.first
        return held if n_bytes <= HELD_BYTES else None

    def _demuxed(self, container: InputContainer) -> Iterator[av.Packet[Any]]:
        """The packets of all tracks; without a track there are none, while FFmpeg would give those of subtitles."""
        streams = [track.stream for track in self._tracks.values()]
        for packet in container.demux(streams) if streams else ():
            if packet.is_corrupt:
                raise ClipError(str(self.path), "truncated", "a packet is incomplete", "a whole file")
            if packet.size:
                yield packet

    def _check_times(self) -> None:
        """Refuse what begins anew on its way, such as two recordings in one file."""
        for track in (self.sound, self.pictures):
            if track and track.fall_seconds > _SLACK_SECONDS:
                problem = f"the times of its {track.kind} fall back by {track.fall_seconds:.2f} s"
                raise ClipError(str(self.path), "undecodable", problem, "one recording, whose times rise")

    def _check_length_so_far(self, track: Track, packet: av.Packet[Any]) -> None:
        """Refuse a file that is too long before all of its packets are read."""
        if track.first_time is not None and packet.dts is not None:
            length_seconds = track.seconds(packet.dts - track.first_time)
            self.bounds.check(self.path, "clip_seconds", length_seconds, f"s of {track.kind} and more")


@contextmanager
def reading(path: AnyPath, kind: str, bounds: Bounds = BOUNDS) -> Iterator[Media]:
    """Give the open file; what FFmpeg cannot read or decode inside the block becomes a ClipError."""
    path = Path(path)
    try:
        seen = outline(path)
        with _opened(path, kind, seen) as container:
            yield Media(path, container, kind, seen, bounds)
    except MemoryError:
        raise  # also one of FFmpeg's, and no fault of the file
    except av.error.FFmpegError as error:
        raise ClipError(str(path), "undecodable", f"damaged data ({error.strerror})", "intact packets") from error
    except OSError as error:
        raise ClipError(str(path), "unreadable", f"{error.strerror}", "a file that can be read") from error


def _opened(path: Path, kind: str, seen: Outline) -> InputContainer:
    """The open file.

    FFmpeg decodes the first pictures of H.264 to learn how far their order of display differs from that of decoding.
    The index of an MP4 tells it, unless the times are spread over fragments (moof).
    """
    if seen.has_h264_index or (seen.format == "mov" and kind == "audio"):
        container = _open(path, _TIMES_ONLY, seen.format)
        if kind == "audio" or all(video.codec_context and video.name == "h264" for video in container.streams.video):
            return container
        container.close()
    return _open(path, {}, seen.format)


def _open(path: Path, options: dict[str, str], format: str | None) -> InputContainer:
    """The open file. ``file:`` keeps a colon in its name from being read as a protocol."""
    options = {"format_whitelist": _FORMATS, **options}
    try:
        return av.open(f"file:{path}", format=format, options=options, metadata_errors="ignore")
    except av.error.EOFError as error:
        raise ClipError(str(path), "truncated", "it ends inside its header", "a whole file") from error
    except (av.error.InvalidDataError, av.error.ArgumentError) as error:
        raise ClipError(str(path), "not_media", "no format that FFmpeg knows", "a media file") from error


def _tracks(container: InputContainer, seen: Outline) -> dict[int, Track]:
    """The tracks of an open file, by the index of the stream."""
    name = container.format.name
    ends = seen.edit_ends if name.startswith("mov") else {}
    return {stream.index: Track(stream, name, ends.get(stream.id)) for stream in _streams(container)}


def _streams(container: InputContainer) -> list[Stream]:
    """The sound and the moving pictures; a cover is a picture attached to the sound, no video."""
    videos = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    return [*container.streams.audio, *videos]


def _check_whole(path: Path, container: InputContainer, tracks: list[Track], *, is_exact: bool) -> None:
    """Compare how long the packets last with what the header states, for each stream or for all together.

    Args:
        path: of the file, for the message.
        container: the open file.
        tracks: with the times of all packets.
        is_exact: whether a length must be stated and be there in full, as nothing else tells that all packets are.
    """
    if not (is_exact or _is_length_stated(container, tracks)):
        return
    lengths_seconds = [track.most_seconds for track in tracks]
    for track, present in zip(tracks, lengths_seconds, strict=True):
        if track.kind == "video" and len(track) == 1:
            continue  # of a still picture FFmpeg states the length of the file
        stated = track.stated_seconds
        if not stated:
            present, stated = max(lengths_seconds), (container.duration or 0) / av.time_base
        least = stated - 2 * _TICK_SECONDS if is_exact else stated * (1 - _SLACK_FRACTION) - _SLACK_SECONDS
        if present < least or (is_exact and not stated):
            raise ClipError(str(path), "truncated", f"{present:.2f} s of {track.kind}", f"{stated:.2f} s by its header")


def _is_length_stated(container: InputContainer, tracks: list[Track]) -> bool:
    """Whether the header states lengths: else FFmpeg takes them from the last times, or from the size and bit rates."""
    rates = [stream.codec_context.bit_rate or 0 for stream in container.streams if stream.codec_context]
    seconds_before = container.size * 8 / (sum(rates) or 1) - (container.duration or 0) / av.time_base
    most_seconds = min((track.place for track in tracks), default=0) * 8 / (sum(rates) or 1)
    is_made_of_rates = abs(seconds_before - most_seconds / 2) <= most_seconds / 2 + _TICK_SECONDS
    return not (is_made_of_rates or container.format.name.startswith(_LENGTH_IS_OPEN))
