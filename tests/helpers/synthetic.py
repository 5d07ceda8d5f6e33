"""Clips for tests: pictures that carry their own number, in any codec, container, timing and orientation."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

N_BITS = 8
TICKS_PER_SECOND = 3000
OPEN_GOP_H264 = {"x264-params": "keyint=12:min-keyint=12:scenecut=0:open-gop=1:bframes=3:b-adapt=0:threads=1"}
OPEN_GOP_HEVC = {"x265-params": "log-level=none:keyint=12:min-keyint=12:open-gop=1:bframes=4:pools=none"}


def numbered_picture(number: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """RGB picture (height, width, 3): its upper half spells ``number`` in black and white bits, the lower is noise."""
    picture = np.random.default_rng(number).integers(60, 190, (height, width, 3), dtype=np.uint8)
    bits = (number >> np.arange(N_BITS)) & 1
    picture[: height // 2] = (255 * bits[np.arange(width) * N_BITS // width])[None, :, None]
    return picture


def number_of(picture: NDArray[np.uint8]) -> int:
    """The number that a decoded, upright picture (H, W, 3) carries."""
    height, width, _ = picture.shape
    row = picture[height // 4].mean(axis=-1)
    centres = ((np.arange(N_BITS) + 0.5) * width / N_BITS).astype(int)
    return int(((row[centres] > 127) << np.arange(N_BITS)).sum())


def sine(frequency_hz: float, amplitude: float, seconds: float, sample_rate: int) -> NDArray[np.float32]:
    """Waveform float32 (n_samples,)."""
    times = np.arange(round(seconds * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * times)).astype(np.float32)


def write_clip(
    path: Path,
    pictures: Sequence[NDArray[np.uint8]] = (),
    waveform: NDArray[np.float32] | None = None,
    *,
    times: Sequence[float] | None = None,
    frames_per_second: int = 25,
    sample_rate: int = 44100,
    sound_seconds: float = 0.0,
    codec: str = "libx264",
    audio_codec: str = "aac",
    options: Mapping[str, str] = {},
    container_options: Mapping[str, str] = {},
    rotation_degrees: int = 0,
    display_matrix: Sequence[int] | None = None,
    drop_first: int = 0,
    is_cover: bool = False,
) -> Path:
    """Write a clip and return its path; the name's ending chooses the container.

    Args:
        path: .mp4, .mkv, .webm, .mov, .avi or .ts.
        pictures: RGB uint8 (H, W, 3); none gives a file without video.
        waveform: float32 (n_channels, n_samples), one or two channels; None gives a file without audio.
        times: when each picture appears, in seconds; None spaces them by ``frames_per_second``.
        frames_per_second: rate of the pictures when ``times`` is None.
        sample_rate: of the waveform, Hz.
        sound_seconds: when the sound starts.
        codec: video encoder, such as libx264, libx265, libvpx-vp9, mpeg4.
        audio_codec: audio encoder, such as aac, libopus, pcm_s16le.
        options: the video encoder's own.
        container_options: the muxer's own, such as ``{"movflags": "faststart"}``.
        rotation_degrees: counterclockwise turn that a player must apply.
        display_matrix: nine numbers in place of a turn.
        drop_first: how many video packets, in decoding order, to leave out.
        is_cover: mark the video stream as a picture attached to the sound.
    """
    if times is None:
        times = [k / frames_per_second for k in range(len(pictures))]
    with av.open(str(path), "w", options=dict(container_options)) as container:
        packets: list[Packet[Any]] = []
        if len(pictures):
            stream = container.add_stream(codec, options=dict(options))
            assert isinstance(stream, VideoStream)  # for mypy: a name in a variable says nothing of the kind
            stream.set_display_matrix(display_matrix)
            if rotation_degrees:
                stream.set_display_rotation(rotation_degrees)
            if is_cover:
                stream.disposition = Disposition.attached_pic
            packets += _video_packets(stream, pictures, times)[drop_first:]
        if waveform is not None:
            packets += _audio_packets(container, waveform, sample_rate, audio_codec, sound_seconds)
        container.mux(sorted(packets, key=lambda packet: Fraction(packet.dts or 0) * packet.time_base))
    return path


def _video_packets(
    stream: VideoStream, pictures: Sequence[NDArray[np.uint8]], times: Sequence[float]
) -> list["Packet[Any]"]:
    stream.height, stream.width = pictures[0].shape[:2]
    stream.pix_fmt = "yuvj420p" if stream.codec.name == "mjpeg" else "yuv420p"
    stream.thread_count = 1
    stream.codec_context.framerate = Fraction(25)
    time_base = Fraction(1, 25) if stream.codec.name in ("mpeg4", "mpeg2video") else Fraction(1, TICKS_PER_SECOND)
    stream.codec_context.time_base = time_base
    packets: list[Packet[Any]] = []
    for picture, time in zip(pictures, times, strict=True):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = round(time / time_base), time_base
        packets += stream.encode(frame)
    return packets + list(stream.encode(None))


def _audio_packets(
    container: av.container.OutputContainer,
    waveform: NDArray[np.float32],
    sample_rate: int,
    codec: str,
    start_seconds: float,
) -> list["Packet[Any]"]:
    layout = "mono" if len(waveform) == 1 else "stereo"
    stream: Any = container.add_stream(codec, rate=sample_rate, layout=layout)
    source = av.AudioFrame.from_ndarray(np.ascontiguousarray(waveform), format="fltp", layout=layout)
    source.sample_rate, source.time_base = sample_rate, Fraction(1, sample_rate)
    source.pts = round(start_seconds * sample_rate)
    frames = av.AudioResampler(stream.format, layout, stream.rate).resample(source)
    return [packet for frame in [*frames, None] for packet in stream.encode(frame)]


def cut(path: Path, fraction: float) -> Path:
    """Keep the first ``fraction`` of the file's bytes, as a broken download does."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * fraction)])
    return path
