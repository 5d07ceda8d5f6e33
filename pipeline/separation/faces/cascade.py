"""Frontal faces in pictures, by the Haar cascade that comes with OpenCV: the extra ``faces``.

References:
    Viola & Jones (2001), Rapid Object Detection using a Boosted Cascade of Simple Features, CVPR.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ParamsError
from pipeline.formats.csv_rows import write_rows
from pipeline.formats.files import replacing
from pipeline.separation.faces.linking import FaceBoxes, LinkedFace, link_faces
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import track
from pipeline.video import BOUNDS, Bounds, film_times, iter_frames

CASCADE = "haarcascade_frontalface_default.xml"
PICTURES_PER_SECOND = 5.0  # that are looked at
LONGEST_SIDE = 640  # pixels; larger pictures are looked at smaller
SMALLEST_FACE = 1 / 16  # of the longer side
SCALE_STEP, N_NEIGHBOURS = 1.1, 5  # between sizes of faces; windows that must agree on one
COLUMNS = ("clip_id", "track", "seconds", "x", "y", "width", "height")


class FaceFinder:
    """The cascade, loaded.

    Raises:
        ParamsError: OpenCV is not installed, or in a version without cascades.
    """

    def __init__(self) -> None:
        try:
            import cv2

            self._cv2: Any = cv2  # its types lack some of it
            self._cascade = self._cv2.CascadeClassifier(str(Path(self._cv2.data.haarcascades, CASCADE)))
        except (ImportError, AttributeError) as error:
            expected = "expected .venv/bin/uv pip install --constraint requirements.lock --editable '.[faces]'"
            raise ParamsError(f"faces are found by OpenCV 4, which is not installed; {expected}") from error

    def faces(self, picture: NDArray[np.uint8]) -> FaceBoxes:
        """Return the boxes (n, 4) of the frontal faces of a picture (height, width, 3), from left to right."""
        longest = max(picture.shape[:2])
        scale = min(1.0, LONGEST_SIDE / longest)
        grey = self._cv2.cvtColor(picture, self._cv2.COLOR_RGB2GRAY)
        small = self._cv2.resize(grey, None, fx=scale, fy=scale, interpolation=self._cv2.INTER_AREA)
        least = max(24, round(SMALLEST_FACE * longest * scale))
        found = self._cascade.detectMultiScale(
            self._cv2.equalizeHist(small), SCALE_STEP, N_NEIGHBOURS, minSize=(least, least)
        )
        boxes: FaceBoxes = np.array(found, np.float64).reshape(-1, 4) / scale
        return np.asarray(boxes[np.argsort(boxes[:, 0], kind="stable")])


def faces_of_video(path: AnyPath, bounds: Bounds = BOUNDS) -> list[LinkedFace]:
    """Return the frontal faces of a video that are seen for a second or longer, seconds from its first picture.

    Args:
        path: of the video.
        bounds: what it may ask for.

    Raises:
        ClipError: the video cannot be decoded or asks for too much.
        ParamsError: OpenCV is not installed.
    """
    finder, times = FaceFinder(), film_times(path, bounds)
    pictures = iter_frames(path, PICTURES_PER_SECOND, lambda _: 0.0, bounds)
    n_pictures = round((times.end - times.start) * PICTURES_PER_SECOND)
    seen = track(pictures, "faces", "picture", n_pictures)
    return link_faces((seconds - times.start, finder.faces(picture)) for seconds, picture in seen)


def write_faces(path: AnyPath, clip_id: str, faces: list[LinkedFace]) -> None:
    """Write tracks.csv whole: a row for a face and a time, faces called ``face_1`` and so on.

    Raises:
        DiskError: it cannot be written.
    """
    rows = [
        (clip_id, f"face_{number}", f"{seconds:.3f}", *(f"{value:.1f}" for value in box))
        for number, face in enumerate(faces, start=1)
        for seconds, box in zip(face.seconds.tolist(), face.boxes.tolist(), strict=True)
    ]
    with replacing(path) as temporary:
        write_rows(temporary, COLUMNS, rows)
