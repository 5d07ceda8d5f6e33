"""What one picture a second and the whole sound of a clip cost, beside the usual ways to get them.

The clips are made here: 10 s of H.264 by x264's defaults and AAC, three sizes and three key frame intervals. Nine show
moving detail under fresh noise and nine more, for each --source, the first pictures of a real video, scaled. The noise
is as strong as it is because the pictures then take about as many bits a pixel (printed too) as real ones do.
The ways take turns, round after round; the table has medians of CPU seconds, and ratios within a round. Each way has a
process of its own that goes through the clips, as a user's loop over a folder does: none finds the memory that another
has left. Everything runs on one codec thread, FFmpeg's command line too.
"""

import argparse
import contextlib
import importlib
import itertools
import multiprocessing
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import av
    import numpy as np
    from numpy.typing import NDArray

SIZES = ((320, 240), (640, 360), (1280, 720))
GOPS = (12, 30, 250)
RATE, SECONDS, SAMPLE_RATE = 30, 10, 44100
FIELD_MARGIN = 128  # pixels that the pictures wander over

Decoder = Callable[[Path], object]


def main() -> None:
    """Print the table, after checking that the pictures are those of decoding everything."""
    arguments = _arguments()
    ways: dict[str, Decoder] = {"ours": ours, "naive PyAV": naive_pyav}
    if shutil.which("ffmpeg"):
        ways |= {"ffmpeg fps=1 + sound": ffmpeg_sampled, "ffmpeg -f null": ffmpeg_null}
    if torchcodec_works():
        ways["torchcodec"] = torchcodec
    with tempfile.TemporaryDirectory() as folder:
        clips = [clip for source in [None, *arguments.source] for clip in make_clips(Path(folder), source)]
        for clip in clips:
            check_same_pictures(clip)
        print(f"pictures of {len(clips)} clips: the bytes of decoding everything")
        for name, numbers in of_each_source(clips).items():
            bits = sorted(bits_per_pixel(clips[number]) for number in numbers)
            print(f"{name}: {bits[0]:.3f} to {bits[-1]:.3f} bits a pixel, median {bits[len(bits) // 2]:.3f}")
        print(f"load average of the minute before: {os.getloadavg()[0]:.2f}, {arguments.rounds} rounds")
        print(table(list(ways), clips, cpu_seconds(ways, clips, arguments.rounds)))


def ours(path: Path) -> object:
    """Pictures and sound as the stages read them, each opening the file for itself."""
    from pipeline import video

    pictures = [picture for _, picture in video.iter_frames(path, 1.0, lambda _: 0.5)]
    return pictures, list(video.iter_waveform(path))


def naive_pyav(path: Path) -> "tuple[list[NDArray[Any]], NDArray[Any]]":
    """Every picture as an array, then the sound in a second pass, resampled frame by frame."""
    import av

    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return pictures[RATE // 2 :: RATE], naive_sound(path)


def naive_sound(path: Path) -> "NDArray[Any]":
    """Return the sound, (1, n_samples) float32 of 16 kHz, resampled frame by frame."""
    import av
    import numpy as np

    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", 16000)
        parts = [part.to_ndarray() for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate(parts, axis=1)


def ffmpeg_sampled(path: Path) -> object:
    """The command line: a picture a second and the sound."""
    return ffmpeg(path, "-map", "0:v", "-vf", "fps=1", "-f", "rawvideo", "-pix_fmt", "rgb24", os.devnull,
                  "-map", "0:a", "-ac", "1", "-ar", "16000", "-f", "f32le", os.devnull)  # fmt: skip


def ffmpeg_null(path: Path) -> object:
    """The command line: everything decoded, nothing kept."""
    return ffmpeg(path, "-f", "null", "-")


def ffmpeg(path: Path, *outputs: str | Path) -> object:
    """Run FFmpeg's command line on a clip, with one thread, and return what it says."""
    command = ["ffmpeg", "-v", "error", "-y", "-threads", "1", "-i", path, *outputs]
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def torchcodec(path: Path) -> tuple[Any, Any]:
    """TorchCodec's decoders."""
    decoders: Any = importlib.import_module("torchcodec.decoders")
    frames = decoders.VideoDecoder(str(path), num_ffmpeg_threads=1).get_frames_played_at(
        [k + 0.5 for k in range(SECONDS)]
    )
    return frames, decoders.AudioDecoder(str(path), sample_rate=16000, num_channels=1).get_all_samples()


def torchcodec_works() -> bool:
    """Return whether TorchCodec is installed and finds its libraries."""
    try:
        importlib.import_module("torchcodec.decoders")
    except (ImportError, RuntimeError, OSError):
        print("torchcodec: does not load here, left out")
        return False
    return True


def check_same_pictures(path: Path) -> None:
    """Stop where a sampled picture is not the one that decoding everything gives."""
    import numpy as np

    from pipeline.video import sample_frames

    expected, _ = naive_pyav(path)
    if not np.array_equal(sample_frames(path), np.stack(expected)):
        raise SystemExit(f"{path.name}: other pictures than decoding everything gives")


def bits_per_pixel(path: Path) -> float:
    """Return how many bits the packets of the pictures take for each pixel shown."""
    import av

    with av.open(str(path)) as container:
        sizes_bytes = [packet.size for packet in container.demux(video=0) if packet.size]
        video = container.streams.video[0]
        return 8 * sum(sizes_bytes) / (len(sizes_bytes) * video.width * video.height)


def cpu_seconds(ways: dict[str, Decoder], clips: list[Path], n_rounds: int) -> "NDArray[np.float64]":
    """Return (n_rounds, n_clips, n_ways) float64 CPU seconds of each way's process and its children."""
    import numpy as np

    seconds = np.empty((n_rounds, len(clips), len(ways)))
    with contextlib.ExitStack() as stack:
        spawn = multiprocessing.get_context("spawn")
        processes = [stack.enter_context(ProcessPoolExecutor(1, spawn)) for _ in ways]
        for process, way in zip(processes, ways.values(), strict=True):
            process.submit(_timed, way, clips[0]).result()
        for row, (c, clip) in itertools.product(seconds, enumerate(clips)):
            for w, (process, way) in enumerate(zip(processes, ways.values(), strict=True)):
                row[c, w] = process.submit(_timed, way, clip).result()
    return seconds


def table(ways: list[str], clips: list[Path], seconds: "NDArray[np.float64]") -> str:
    """Return a markdown table: ours in ms, and ours as a share of each other way.

    A row has one clip, all clips of a source together, or all together.
    """
    import numpy as np

    rows = {f"{clip.parent.name} {clip.stem}": [number] for number, clip in enumerate(clips)}
    rows |= {f"{name}, all": numbers for name, numbers in of_each_source(clips).items()}
    rows["all"] = list(range(len(clips)))
    lines = ["| clip | ours, ms | " + " | ".join(f"ours / {way}" for way in ways[1:]) + " |"]
    lines.append("|---" * (len(ways) + 1) + "|")
    for name, numbers in rows.items():
        total = seconds[:, numbers].sum(axis=1)  # (n_rounds, n_ways)
        shares = np.median(total[:, :1] / total, axis=0)[1:]
        cells = [name, f"{np.median(total[:, 0]) * 1e3:.0f}", *(f"{share:.2f}" for share in shares)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def of_each_source(clips: list[Path]) -> dict[str, list[int]]:
    """Return the numbers of the clips that were made of each source."""
    numbers: dict[str, list[int]] = {}
    for number, clip in enumerate(clips):
        numbers.setdefault(clip.parent.name, []).append(number)
    return numbers


def make_clips(folder: Path, source: Path | None) -> list[Path]:
    """Write the nine clips of a source into a folder of its name, and return their paths."""
    own = folder / (source.stem if source else "made")
    own.mkdir()
    return [make_clip(own, *size, gop, source) for size in SIZES for gop in GOPS]


def make_clip(folder: Path, width: int, height: int, gop: int, source: Path | None) -> Path:
    """Write a clip of x264's default options but for the key frame interval, and return its path."""
    from fractions import Fraction

    import av
    import numpy as np
    from av.video.frame import PictureType

    path = folder / f"{width}x{height} GOP {gop}.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"g": str(gop)})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        for k, frame in enumerate(made_frames(width, height) if source is None else real_frames(source)):
            scaled = frame.reformat(width, height, "yuv420p")
            scaled.pts, scaled.time_base, scaled.pict_type = k, Fraction(1, RATE), PictureType.NONE
            container.mux(video.encode(scaled))
        noise = np.random.default_rng(0).normal(0, 0.1, (2, SAMPLE_RATE * SECONDS)).astype(np.float32)
        sound = av.AudioFrame.from_ndarray(noise, format="fltp", layout="stereo")
        sound.sample_rate, sound.time_base, sound.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), 0
        container.mux([*video.encode(None), *audio.encode(sound), *audio.encode(None)])
    return path


def made_frames(width: int, height: int) -> "Iterator[av.VideoFrame]":
    """Yield views that wander over a field of detail, each under noise of its own."""
    import av
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, ((height + FIELD_MARGIN) // 6, (width + FIELD_MARGIN) // 6, 3), np.uint8)
    field = np.asarray(Image.fromarray(coarse).resize((width + FIELD_MARGIN, height + FIELD_MARGIN)))
    for k in range(RATE * SECONDS):
        x, y = (int((1 + np.sin(k / period)) * FIELD_MARGIN / 2) for period in (23, 31))
        picture = field[y : y + height, x : x + width] // 2 + rng.integers(0, 12, (height, width, 1), np.uint8)
        yield av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")


def real_frames(source: Path) -> "Iterator[av.VideoFrame]":
    """Yield the first pictures of a video, shown at our rate whatever its own is; a short one begins again."""
    import av

    with av.open(str(source)) as container:
        frames = list(itertools.islice(container.decode(video=0), RATE * SECONDS))
    yield from itertools.islice(itertools.cycle(frames), RATE * SECONDS)


def _timed(way: Decoder, clip: Path) -> float:
    """CPU seconds that a way takes for a clip, with those of the children that it waits for."""
    start_seconds = _cpu_seconds()
    way(clip)
    return _cpu_seconds() - start_seconds


def _cpu_seconds() -> float:
    """CPU time of this process and of the children that it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="times that each way is measured (default: 3)")
    parser.add_argument(
        "--source", type=Path, default=[], action="append", help="a video to make clips of, too; may be given again"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
