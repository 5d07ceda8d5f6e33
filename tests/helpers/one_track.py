"""A film of two things side by side, and servers whose separators take one of them out of its sound."""

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.video import write_mp4
from tests.helpers.apart import project_with
from tests.helpers.served import RealPage, Served, serving
from tests.helpers.synthetic import numbered_picture, sine

WIDTH, HEIGHT, SECONDS, RATE = 128, 64, 3.0, 25
LEFT, RIGHT = "0,0,0.5,1", "0.5,0,1,1"
SEPARATORS = {"speech": "visualvoice", "music": "amnet"}


def duet_pictures(rate: int = RATE) -> list[NDArray[np.uint8]]:
    """Pictures whose left half and right half differ, and change."""
    side = WIDTH // 2
    return [
        np.concatenate([numbered_picture(k, HEIGHT, side), numbered_picture(k + 100, HEIGHT, side)], axis=1)
        for k in range(round(SECONDS * rate))
    ]


def write_duet(path: Path, rate: int = RATE) -> Path:
    """Write the film, with two tones."""
    sound = sine(300, 0.4, SECONDS, 16000) + sine(1100, 0.2, SECONDS, 16000)
    write_mp4(path, duet_pictures(rate), rate, sound, 16000)
    return path


def write_duet_project(folder: Path) -> Path:
    """Make a project in which both tasks have a separator, and return it; duet.mp4 is in it."""
    folder.mkdir()
    for task, name in SEPARATORS.items():
        project_with(folder, name, task)
    write_duet(folder / "duet.mp4")
    return folder


def serving_task(page: RealPage, project: Path, task: str) -> AbstractContextManager[Served]:
    """Start a server of one process that has a task's separator."""
    words = ["--workers", "1", "--separation", str(project / "separation" / task)]
    return serving(page.folder, page.index, page.encoder, *words)
