"""What reading clips costs beside another checkout of this project, and whether both read the same.

Each checkout has a process with this Python, in which it reads pictures and sound of every clip as the stages do. They
take turns clip by clip, round after round. The table has medians of CPU seconds, and the ratio within a round: below 1
this checkout is the faster one.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).parents[1]
READER = """
import hashlib, sys, time
from pathlib import Path
import numpy as np
from pipeline.errors import ClipError
from pipeline.video import iter_frames, iter_waveform

def outs(path):
    for read in (lambda: iter_frames(path, 1.0, lambda _: 0.5), lambda: iter_waveform(path)):
        try:
            yield list(read())
        except ClipError as error:
            yield [(0.0, np.frombuffer(str(error).encode(), np.uint8))]

for line in sys.stdin:
    begin = time.process_time()
    found = list(outs(Path(line[:-1])))
    seconds = time.process_time() - begin
    digest = hashlib.sha256()
    for start_seconds, array in (piece for out in found for piece in out):
        digest.update(repr((start_seconds, array.shape)).encode())
        digest.update(array.tobytes())
    print(seconds, digest.hexdigest(), flush=True)
"""
COPIES = (".mkv", ".ts")  # containers that the MP4 clips are copied to, packet by packet


class CheckoutReader(NamedTuple):
    """The process of a checkout."""

    asked: IO[str]
    answers: IO[str]

    def read(self, path: Path) -> tuple[float, str]:
        """Return the CPU seconds of reading a clip, and a hash of what was read, or of why it is refused."""
        print(path.resolve(), file=self.asked, flush=True)
        seconds, digest = self.answers.readline().split()
        return float(seconds), digest


def main() -> None:
    """Print the table, and which clips the checkouts read differently."""
    arguments = _arguments()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clips = given_clips(arguments.clips) if arguments.clips else make_clips(folder, arguments.short, arguments.long)
        readers = [stack.enter_context(reader(checkout)) for checkout in (ROOT, arguments.checkout.resolve())]
        differing = [path for paths in clips.values() for path in paths if len({r.read(path)[1] for r in readers}) > 1]
        rounds = [measure(readers, clips) for _ in range(arguments.rounds)]
    print(f"load average of the minute before: {os.getloadavg()[0]:.2f}, {arguments.rounds} rounds")
    print("| clips | this, ms a clip | other, ms a clip | ratio |\n|---|---|---|---|")
    for kind, paths in clips.items():
        this, other = ([1e3 * seconds[kind][side] / len(paths) for seconds in rounds] for side in (0, 1))
        ratio = _median([mine / theirs for mine, theirs in zip(this, other, strict=True)])
        print(f"| {len(paths)} {kind} | {_median(this):.3g} | {_median(other):.3g} | {ratio:.2f} |")
    print(f"read differently: {', '.join(map(str, differing)) or 'none'}")


def measure(readers: list[CheckoutReader], clips: dict[str, list[Path]]) -> dict[str, list[float]]:
    """Return the CPU seconds of each reader for all clips of a kind, after turns clip by clip."""
    found = {kind: [0.0] * len(readers) for kind in clips}
    turns = list(enumerate(readers))
    for kind, paths in clips.items():
        for path in paths:
            turns.reverse()  # who comes second finds the file in the processor's memory
            for side, one in turns:
                found[kind][side] += one.read(path)[0]
    return found


@contextlib.contextmanager
def reader(checkout: Path) -> Iterator[CheckoutReader]:
    """Give the process of a checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    words, pipe = [sys.executable, "-c", READER], subprocess.PIPE
    with subprocess.Popen(words, cwd=checkout, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None  # for mypy
        assert process.stdout is not None
        yield CheckoutReader(process.stdin, process.stdout)


def given_clips(folder: Path) -> dict[str, list[Path]]:
    """Return the files of a folder, by their suffix."""
    found: dict[str, list[Path]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.setdefault(path.suffix or "without suffix", []).append(path)
    return found


def make_clips(folder: Path, n_short: int, n_long: int) -> dict[str, list[Path]]:
    """Write clips of 1 s and of 10 s, copy them into other containers, and return them by what they are."""
    import numpy as np

    from pipeline.video import write_mp4

    found: dict[str, list[Path]] = {}
    for seconds, n_clips in ((1, n_short), (10, n_long)):
        for number in range(n_clips):
            rng = np.random.default_rng(number)
            coarse = rng.integers(0, 255, (25 * seconds, 12, 16, 3), np.uint8)
            sound = rng.normal(0, 0.1, 44100 * seconds).astype(np.float32)
            path = folder / f"{seconds} s {number}.mp4"
            write_mp4(path, list(coarse.repeat(20, axis=1).repeat(20, axis=2)), 25, sound, 44100)
            for suffix in (".mp4", *COPIES):
                copied = path if suffix == ".mp4" else copy_packets(path, suffix)
                found.setdefault(f"clips of {seconds} s, {suffix}", []).append(copied)
    return found


def copy_packets(path: Path, suffix: str) -> Path:
    """Write the packets of a clip into another container, and return its path."""
    import av

    copied = path.with_suffix(suffix)
    with av.open(str(path)) as source, av.open(str(copied), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    return copied


def _median(values: list[float]) -> float:
    """The middle one of the sorted values, the upper one of two."""
    return sorted(values)[len(values) // 2]


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__)
    parser.add_argument("checkout", type=Path, help="folder of another checkout, such as one of git worktree")
    parser.add_argument("--clips", type=Path, help="folder of clips to read instead of made ones")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--short", type=int, default=60, help="clips of 1 s")
    parser.add_argument("--long", type=int, default=6, help="clips of 10 s")
    return parser.parse_args()


if __name__ == "__main__":
    main()
