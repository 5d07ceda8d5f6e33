"""One picture a second and the whole sound of a clip, beside the usual ways to get them and libavcodec's own work."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import decode
from benchmarks.bench.ways import Aim, BenchRow, Computed, Task, Way, WorkSize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LIMIT = "libavcodec's own work"
KINDS = ((320, 240, 250), (640, 360, 30), (640, 360, 250), (1280, 720, 250))  # width, height, key frame interval
REASON = "opening the file twice, reading its packets, colours, resampling and planning"
SOUND = {"sound_seconds": 0.1}
SAME = {"pictures": 0.0, **SOUND}
SIMILAR = {"pictures": 2.0, **SOUND}  # of 255, in the mean: colours are rounded in another way
SAMPLE_RATE = 16000


class Decoded(NamedTuple):
    """What a way has read of a clip: pictures (height, width, 3), and how many samples of sound."""

    pictures: "Sequence[NDArray[Any]] | NDArray[Any]"
    n_samples: int


def rows(is_quick: bool) -> list[BenchRow]:
    """Return a row for the clips of each size, and one for all."""
    if is_quick:
        return [_row("decode quick", KINDS[:1], 1)]
    return [_row("decode", KINDS, 4)]


def _row(name: str, kinds: Sequence[tuple[int, int, int]], n_rounds: int) -> BenchRow:
    """A row of clips of some kinds."""
    ways = [
        Way("ours", "ours", "ours"),
        Way("naive PyAV", "peer", "naive_pyav", "av", SAME),
        Way("TorchCodec", "peer", "torchcodec", "torchcodec", SIMILAR),
        Way("decord", "peer", "decord", "decord", SIMILAR),
        Way("OpenCV, sound by PyAV", "peer", "opencv", "opencv-python-headless", SIMILAR),
        Way("ffmpeg fps=1 + sound", "peer", "ffmpeg_sampled", "ffmpeg"),
        Way("ffmpeg -f null", "peer", "ffmpeg_null", "ffmpeg"),
        Way("ffmpeg to files, then OpenCV", "peer", "by_files", "ffmpeg"),
        Way(LIMIT, "limit", "limit", bounds={"pictures": 0.0}),
    ]
    size = {"clips": len(kinds), "seconds": decode.SECONDS}
    said = ", ".join(f"{width}x{height} GOP {gop}" for width, height, gop in kinds)
    what = f"one picture a second + sound of clips of 10 s ({said})"
    return BenchRow(
        name, "decode", what, "ms a clip", __name__, size, ways, n_rounds, Aim(LIMIT, 1.25, REASON),
        lambda folder: write_clips(folder, kinds),
    )  # fmt: skip


def write_clips(folder: Path, kinds: Sequence[tuple[int, int, int]] = KINDS) -> None:
    """Write clips of made pictures, by x264's default options but for the key frame interval, with AAC."""
    for width, height, gop in kinds:
        decode.make_clip(folder, width, height, gop, None)


def ours(size: WorkSize, folder: Path) -> Task:
    """Prepare the two passes of the stages: pictures, then sound."""
    from pipeline import video

    def one(path: Path) -> Decoded:
        pictures = [picture for _, picture in video.iter_frames(path, 1.0, lambda _: 0.5)]
        return Decoded(pictures, sum(len(block) for _, block in video.iter_waveform(path)))

    return _task(folder, one)


def naive_pyav(size: WorkSize, folder: Path) -> Task:
    """Prepare the decoding of every picture into an array, then of the sound, resampled frame by frame."""

    def one(path: Path) -> Decoded:
        pictures, sound = decode.naive_pyav(path)
        return Decoded(pictures, sound.shape[1])

    return _task(folder, one)


def torchcodec(size: WorkSize, folder: Path) -> Task:
    """Prepare TorchCodec's decoders."""

    def one(path: Path) -> Decoded:
        frames, samples = decode.torchcodec(path)
        return Decoded(frames.data.permute(0, 2, 3, 1).numpy(), samples.data.shape[1])

    return _task(folder, one)


def decord(size: WorkSize, folder: Path) -> Task:
    """Prepare decord's readers."""
    import decord as library

    def one(path: Path) -> Decoded:
        reader = library.VideoReader(str(path), num_threads=1)
        pictures = reader.get_batch([*range(decode.RATE // 2, len(reader), decode.RATE)]).asnumpy()
        sound = library.AudioReader(str(path), sample_rate=SAMPLE_RATE, mono=True)
        return Decoded(pictures, sound[:].shape[1])

    return _task(folder, one)


def opencv(size: WorkSize, folder: Path) -> Task:
    """Prepare OpenCV's reader, which converts the colours of wanted pictures alone, and PyAV for the sound."""

    def one(path: Path) -> Decoded:
        wanted = range(decode.RATE // 2, decode.RATE * decode.SECONDS, decode.RATE)
        return Decoded(_by_opencv(path, wanted), decode.naive_sound(path).shape[1])

    return _task(folder, one)


def ffmpeg_sampled(size: WorkSize, folder: Path) -> Task:
    """Prepare the command line: a picture a second and the sound, written to nowhere."""
    return _without_outcome(folder, decode.ffmpeg_sampled)


def ffmpeg_null(size: WorkSize, folder: Path) -> Task:
    """Prepare the command line: everything decoded, nothing kept."""
    return _without_outcome(folder, decode.ffmpeg_null)


def by_files(size: WorkSize, folder: Path) -> Task:
    """Prepare what some extractors do: a video of one picture a second, an AAC and a WAV file, then to read them."""
    from scipy.io import wavfile

    own = Path.cwd()
    video, aac, wav = (own / name for name in ("clip.mp4", "clip.aac", "clip.wav"))

    def one(path: Path) -> None:
        decode.ffmpeg(path, "-filter:v", "fps=1", video)
        decode.ffmpeg(path, "-vn", "-acodec", "copy", aac)
        decode.ffmpeg(aac, "-ac", "1", "-ar", str(SAMPLE_RATE), wav)
        _by_opencv(video, range(decode.SECONDS))
        wavfile.read(wav)

    return _without_outcome(folder, one)


def limit(size: WorkSize, folder: Path) -> Task:
    """Prepare the decoding of packets that lie in memory: of the wanted pictures, what they refer to, and the sound."""
    plans = [DecodingPlan(path) for path in clips_of(folder)]

    def run() -> None:
        for plan in plans:
            plan.decode()

    def outcome() -> Computed:
        return {"pictures": _joined([picture for plan in plans for picture in plan.pictures()])}

    return Task(run, len(plans), outcome)


class DecodingPlan:
    """What of a clip has to be decoded for a picture a second and the sound, its packets in memory.

    Args:
        path: of a clip whose pictures come at ``decode.RATE`` a second.
    """

    def __init__(self, path: Path) -> None:
        import av

        self._container = av.open(str(path))
        video, audio = self._container.streams.video[0], self._container.streams.audio[0]
        packets = [packet for packet in self._container.demux([video, audio]) if packet.size]
        self._sound = [packet for packet in packets if packet.stream_index == audio.index]
        self._packets = [packet for packet in packets if packet.stream_index == video.index]
        self._video, self._audio = video.codec_context, audio.codec_context
        self._video.thread_count = 1
        shown = sorted(packet.pts or 0 for packet in self._packets)
        self._wanted = set(shown[decode.RATE // 2 :: decode.RATE])
        self._runs = self._planned()

    def decode(self) -> "list[Any]":
        """Return the wanted frames, and decode the sound."""
        frames: list[Any] = []
        for start, stop in self._runs:
            for packet in self._packets[start:stop]:
                self._video.skip_frame = "DEFAULT" if packet.pts in self._wanted else "NONREF"
                frames += self._video.decode(packet)
            frames += self._video.decode(None)
            self._video.flush_buffers()
        for packet in self._sound:
            self._audio.decode(packet)
        self._audio.flush_buffers()
        return [frame for frame in frames if frame.pts in self._wanted]

    def pictures(self) -> "list[NDArray[Any]]":
        """Return the wanted pictures as arrays."""
        return [frame.to_ndarray(format="rgb24") for frame in self.decode()]

    def _planned(self) -> list[tuple[int, int]]:
        """From a key frame to the last wanted picture before the next one, in the order of decoding."""
        keys = [number for number, packet in enumerate(self._packets) if packet.is_keyframe]
        ends = [*keys[1:], len(self._packets)]
        runs = []
        for start, end in zip(keys, ends, strict=True):
            wanted = [number for number in range(start, end) if self._packets[number].pts in self._wanted]
            runs += [(start, wanted[-1] + 1)] if wanted else []
        return runs


def _by_opencv(path: Path, wanted: range) -> "list[NDArray[Any]]":
    """The pictures of some numbers, RGB."""
    import cv2

    cv2.setNumThreads(1)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    pictures = []
    for number in range(wanted.stop):
        if capture.grab() and number in wanted:
            pictures.append(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))
    capture.release()
    return pictures


def clips_of(folder: Path) -> list[Path]:
    """Return the clips of the row."""
    return sorted(folder.glob("*.mp4"))


def _task(folder: Path, one: Callable[[Path], Decoded]) -> Task:
    """A timed run over all clips, and what it makes of them."""
    import numpy as np

    clips = clips_of(folder)

    def run() -> None:
        for clip in clips:
            one(clip)

    def outcome() -> Computed:
        found = [one(clip) for clip in clips]
        seconds = [of_clip.n_samples / SAMPLE_RATE for of_clip in found]
        pictures = [picture for of_clip in found for picture in of_clip.pictures]
        return {"pictures": _joined(pictures), "sound_seconds": np.array(seconds)}

    return Task(run, len(clips), outcome)


def _without_outcome(folder: Path, one: Callable[[Path], object]) -> Task:
    """A timed run over all clips of which nothing is kept."""
    clips = clips_of(folder)

    def run() -> None:
        for clip in clips:
            one(clip)

    return Task(run, len(clips))


def _joined(arrays: "Sequence[NDArray[Any]]") -> "np.ndarray[Any, Any]":
    """Arrays of several shapes one after the other."""
    import numpy as np

    return np.concatenate([array.ravel() for array in arrays])
