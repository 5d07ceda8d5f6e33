"""A video of many minutes takes the memory of its sound and of some small pictures, not of its film."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.video import film_times, write_mp4
from tests.helpers.looped import write_looped
from tests.helpers.synthetic import numbered_picture, sine
from tests.helpers.tracks import standing, write_tracks

TAKE_APART_IN_A_CHILD = """
import re, sys
from pathlib import Path
from pipeline.separation.videos.opening import open_video
from pipeline.separation.videos.taking_apart import take_apart, tracks_to_see, write_taken_apart
from tests.helpers.apart import VIEWS, Brightness

def peak_megabytes():  # not ru_maxrss: a child takes that over from the process that started it
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1.024 / 1000

path, tracks, out = map(Path, sys.argv[1:])
video = open_video(path, 8000, -60)
found = take_apart(Brightness(), video, tracks_to_see(video, tracks), VIEWS)
write_taken_apart(out, video, found, {})
print(peak_megabytes())
"""
HEIGHT, WIDTH = 240, 320


def peak_megabytes(folder: Path, source: Path, n_loops: int) -> float:
    """What taking a looped film apart takes at most."""
    video = write_looped(folder / f"{n_loops}.mp4", source, n_loops)
    seconds = round(film_times(video).end)
    rows = [
        *standing("left", 0, WIDTH // 2, HEIGHT, seconds),
        *standing("right", WIDTH // 2, WIDTH // 2, HEIGHT, seconds),
    ]
    tracks = write_tracks(folder / f"{n_loops}.csv", rows)
    words = [sys.executable, "-c", TAKE_APART_IN_A_CHILD, str(video), str(tracks), str(folder / f"out{n_loops}")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_minutes_take_little_more_memory_than_one_and_a_half(tmp_path: Path) -> None:
    pictures = [numbered_picture(k, HEIGHT, WIDTH) for k in range(250)]
    write_mp4(tmp_path / "ten.mp4", pictures, 25, sine(300, 0.4, 10.0, 16000), 16000)
    short, long = (peak_megabytes(tmp_path, tmp_path / "ten.mp4", n_loops) for n_loops in (9, 60))
    film = 510 * 25 * HEIGHT * WIDTH * 3 / 1e6
    sounds = 510 * 8000 * 4 / 1e6  # of one track, 32-bit floats
    assert film > 2900
    assert long - short < 8 * sounds  # the mixture, two tracks, copies of them, and packets that the reader keeps
