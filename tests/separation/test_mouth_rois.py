import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.formats.clips import Clip
from pipeline.separation.mouth_rois import NO_FACE, mouth_film
from pipeline.separation.separating import BLANK
from pipeline.separation.views import ViewsParams, clip_arrays
from tests.helpers.mouths import counted_film, write_face_track, write_mouth
from tests.helpers.params_file import with_limits

PARAMS = ViewsParams(mouth_fps=25, mouth_size=16, face_size=24, faces_per_second=1)


@pytest.fixture(autouse=True)
def limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_limits(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["m.h5", "m.npz"])
@pytest.mark.parametrize(("fps", "shown"), [(25, [0, 1, 2, 3, 4, 5]), (12.5, [1, 3, 5]), (50, [0, 0, 1, 1, 2, 2])])
def test_a_film_is_shown_by_time_at_any_rate(fps: float, shown: list[int], name: str, tmp_path: Path) -> None:
    film = mouth_film("a", write_mouth(tmp_path / name, counted_film(6)), fps, 8)
    assert film.shape[1:] == (8, 8)
    assert film[: len(shown), 4, 4].tolist() == shown
    assert len(film) == round(6 / 25 * fps)


def test_a_picture_is_resized_and_one_of_its_size_is_left_alone(tmp_path: Path) -> None:
    checked = (np.indices((2, 96, 96)).sum(axis=0) // 48 % 2 * 200).astype(np.uint8)
    path = write_mouth(tmp_path / "m.npz", checked)
    np.testing.assert_array_equal(mouth_film("a", path, 25, 96), checked)
    small = mouth_film("a", path, 25, 2)
    blocks = checked.reshape(2, 2, 48, 2, 48).mean(axis=(2, 4))
    np.testing.assert_allclose(small, blocks, atol=30)  # a filter wider than a block


def test_the_mouth_of_a_face_track_is_that_beside_it_and_the_face_its_own(tmp_path: Path) -> None:
    film = "mp4/test/id1/video/1.mp4"
    path = write_face_track(tmp_path / film, seed=60)
    clip = Clip(clip_id="a", path=film, label="speech")
    boxed = clip_arrays(clip, path, PARAMS)
    write_mouth(tmp_path / "mouth_roi/test/id1/video/1.h5", counted_film(25))
    cut = clip_arrays(clip, path, PARAMS)
    assert boxed["mouth"].mean() == pytest.approx(100, abs=3)
    assert cut["mouth"][:, 8, 8].tolist() == list(range(25))
    np.testing.assert_array_equal(cut["face"], boxed["face"])


def test_a_sound_without_a_film_has_a_mouth_and_no_face(tmp_path: Path) -> None:
    write_mouth(tmp_path / "mouths/a_00001.npz", counted_film(5))
    name = "wav16k/min/tt/s1/a_00001_1.5_b_00002_-1.5.wav"
    arrays = clip_arrays(Clip(clip_id="a", path=name, label="speech"), tmp_path / name, PARAMS)
    assert arrays["mouth"][:, 8, 8].tolist() == list(range(5))
    assert (arrays["face"].shape, set(arrays["face"].ravel().tolist())) == ((1, 24, 24, 3), {NO_FACE})
    assert (arrays["seconds"].tolist(), NO_FACE) == ([0.0], BLANK)


def link(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = h5py.ExternalLink("other.h5", "data")


def pickled(path: Path) -> None:
    packed = io.BytesIO()
    np.lib.format.write_array(packed, np.array([{}, {}], object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.npy", packed.getvalue())


def boasting(path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 96, 96)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.npy", header.getvalue())


def bomb(path: Path) -> None:
    np.savez_compressed(path, data=np.zeros((100_000, 96, 96), np.uint8)[:2000])


@pytest.mark.parametrize(
    ("name", "write", "kind", "message"),
    [
        ("m.h5", link, "undecodable", "m.h5: data: a link to data outside the file; expected numbers that lie in the "),
        ("m.h5", lambda path: path.write_text("no HDF5"), "undecodable", "m.h5: .*; expected an HDF5 file that can be"),
        ("m.h5", lambda path: write_mouth(path, np.zeros((3, 96, 96))), "no_view", r"m.h5: float64 \(3, 96, 96\); exp"),
        ("m.npz", lambda path: write_mouth(path, counted_film(1)), "no_view", r"m.npz: uint8 \(1, 96, 96\); expected "),
        (
            "m.npz",
            lambda path: write_mouth(path, counted_film(4)[..., 0]),
            "no_view",
            r"uint8 \(4, 96\); expected ",
        ),
        (
            "m.npz",
            lambda path: path.write_text("no zip"),
            "undecodable",
            "m.npz: .* not a zip file; expected an npz",
        ),
        (
            "m.npz",
            lambda path: np.savez(path, mouth=np.zeros(3)),
            "undecodable",
            "data.npy.*; expected an npz with the",
        ),
        ("m.npz", pickled, "undecodable", "m.npz: .*; expected an npz with the array 'data'"),
        ("m.npz", boasting, "undecodable", "m.npz: .*; expected an npz with the array 'data'"),
        ("m.npz", bomb, "undecodable", "m.npz: data takes 18432.* bytes; expected at most limits.expansion_factor=9"),
        ("m.npz", lambda path: None, "undecodable", "m.npz: No such file or directory; expected an npz with the array"),
    ],
)
def test_what_is_no_film_of_a_mouth_is_refused_by_kind(
    name: str, write: Callable[[Path], Any], kind: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_limits(tmp_path, monkeypatch, expansion_factor=9 if write is bomb else 1000)
    write(tmp_path / name)
    with pytest.raises(ClipError, match=f"clip 'a': .*{message}") as raised:
        mouth_film("a", tmp_path / name, 25, 8)
    assert raised.value.kind == kind


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    packed = io.BytesIO()
    np.lib.format.write_array_header_1_0(packed, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    packed.write(pickle.dumps(Evil()))
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        archive.writestr("data.npy", packed.getvalue())
    with pytest.raises(ClipError):
        mouth_film("a", tmp_path / "m.npz", 25, 8)
    assert not (tmp_path / "ran").exists()
