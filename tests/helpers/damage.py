"""What the fuzz test does to a clip, and what a child process tells of the reader's answer."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import strategies as st

from pipeline.errors import ClipError
from pipeline.video import iter_frames, read_waveform

SAMPLE_RATE, FRAMES_PER_SECOND = 16000, 10.0


@dataclass(frozen=True)
class Wound:
    """One place of a file that is damaged.

    Attributes:
        place: where, as a share of the part that may be damaged.
        n_lost: how many bytes go.
        new: the bytes that come in their place; as many, fewer or more.
    """

    place: float
    n_lost: int
    new: bytes

    def inflict(self, data: bytes, start: int, end: int) -> bytes:
        """Damage the bytes from start to end."""
        first = start + int(self.place * (end - start))
        return data[:first] + self.new + data[min(first + self.n_lost, end) :]


def wounds() -> st.SearchStrategy[Wound]:
    """Overwritten bytes three times in four; else bytes that are lost, or come in addition."""
    place = st.floats(0, 1, exclude_max=True)
    sizes = st.sampled_from([1, 3, 16, 100, 400])
    overwritten = st.builds(
        lambda place, n, fill, noise: Wound(place, n, bytes([fill]) * n if noise is None else noise.randbytes(n)),
        place,
        sizes,
        st.sampled_from([0x00, 0x01, 0x7F, 0x80, 0xFF]),
        st.one_of(st.none(), st.randoms(use_true_random=False)),
    )
    moved = st.builds(Wound, place, sizes, st.binary(max_size=16))
    return st.one_of(overwritten, overwritten, overwritten, moved)


def lengths_of(data: bytes, name: str) -> dict[str, float | str]:
    """Seconds of sound and of pictures in a file of these bytes, or the kinds of their refusals."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return {"sound": _sound(path), "pictures": _pictures(path)}


def _sound(path: Path) -> float | str:
    """Seconds of sound."""
    try:
        return len(read_waveform(path, SAMPLE_RATE)) / SAMPLE_RATE
    except ClipError as error:
        return error.kind


def _pictures(path: Path) -> float | str:
    """Seconds of pictures."""
    try:
        return sum(1 for _ in iter_frames(path, FRAMES_PER_SECOND, lambda _: 0.05)) / FRAMES_PER_SECOND
    except ClipError as error:
        return error.kind
