from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.separation.boxes import FILE, SoundingBox, copy_boxes, read_boxes

TABLE = "clip_id,x,y,width,height\na.mp4,0.25,0.5,0.5,0.25\nb.mp4,0,0,1,1\n"


def test_boxes_of_the_clips_are_copied_and_read_as_they_were(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(TABLE)
    copy_boxes(tmp_path, ["a.mp4", "c.mp4"], tmp_path / "copied.csv")
    assert read_boxes(tmp_path / "copied.csv") == {"a.mp4": (0.25, 0.5, 0.5, 0.25)}


def test_a_folder_without_boxes_makes_a_table_without_rows(tmp_path: Path) -> None:
    copy_boxes(tmp_path, ["a.mp4"], tmp_path / "copied.csv")
    assert read_boxes(tmp_path / "copied.csv") == {}


def test_a_mask_has_the_pixels_in_the_box() -> None:
    inside = SoundingBox(0.25, 0.5, 0.5, 0.25).mask(8)
    assert np.argwhere(inside).min(axis=0).tolist() == [4, 2]
    assert np.argwhere(inside).max(axis=0).tolist() == [5, 5]
    assert inside.sum() == 2 * 4


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("0.5,0,0.6,1", r"clip 'a.mp4': \(0.5, 0.0, 0.6, 1.0\); expected a rectangle within 0 to 1"),
        ("0,0,0,1", "expected a rectangle within 0 to 1"),
        ("0,left,1,1", "clip 'a.mp4': could not convert string to float: 'left'; expected numbers"),
        ("nan,0,1,1", "expected a rectangle within 0 to 1"),
    ],
)
def test_what_is_no_box_names_the_clip(cells: str, message: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(f"clip_id,x,y,width,height\na.mp4,{cells}\n")
    with pytest.raises(DataError, match=message):
        read_boxes(tmp_path / FILE)
