"""Sounds and pictures on their way to a network: what is taken, and what is refused with its reason."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.encoder.inputs import InputDecoder, checked_waveform, is_still, read_still
from pipeline.errors import ClipError, DataError
from pipeline.formats.jpegs import decode_jpegs
from pipeline.frames import resize
from pipeline.settings.limits import Limits
from tests.helpers.project import ROOT, write_video
from tests.helpers.yaml_text import read_yaml

PARAMS = read_yaml((ROOT / "params.yaml").read_text())
LIMITS = Limits(**PARAMS["limits"])


def decoder(**limits: float) -> InputDecoder:
    sections = {stage: PARAMS[stage] for stage in ("logmel", "frames")}
    return InputDecoder(sections, LIMITS.model_copy(update=limits))


def picture(height: int = 40, width: int = 60) -> NDArray[np.uint8]:
    """A picture whose left half is red and whose right half is blue, bright above and dark below."""
    made = np.zeros((height, width, 3), np.uint8)
    made[:, : width // 2, 0], made[:, width // 2 :, 2] = 200, 200
    made[height // 2 :] //= 2
    return made


def write_still(path: Path, form: str, **options: object) -> Path:
    Image.fromarray(picture()).save(path, form, **options)
    return path


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_a_still_picture_is_read_as_it_is_whatever_its_name(form: str, tmp_path: Path) -> None:
    path = write_still(tmp_path / "picture.bin", form, **({"quality": 100, "subsampling": 0} if form == "jpeg" else {}))
    assert is_still(path)
    assert np.abs(read_still(path, LIMITS).astype(int) - picture()).max() <= (0 if form == "png" else 40)
    arrays = decoder().of_file("frames", path)
    assert arrays["seconds"].tolist() == [0.0]
    [square] = decode_jpegs(arrays["jpeg"], arrays["lengths"])
    np.testing.assert_allclose(square.astype(int), resize(picture(), 299), atol=60)  # JPEG, colour at half resolution


def test_a_photograph_that_was_taken_on_its_side_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees, clockwise
    path = write_still(tmp_path / "x.jpg", "jpeg", exif=exif)
    turned = read_still(path, LIMITS)
    assert turned.shape == (60, 40, 3)
    assert turned[5, 35, 0] > 150  # what was left and above is right and above
    assert turned[55, 35, 2] > 150


def test_a_video_is_no_still(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", 0)
    write_still(tmp_path / "raw.mjpeg", "jpeg")
    assert not is_still(tmp_path / "clip.mp4")
    assert not is_still(tmp_path / "raw.mjpeg")


@pytest.mark.parametrize(
    ("name", "form", "kind", "message"),
    [
        ("half.png", "png", "undecodable", r"half\.png.*damaged data .*expected a whole PNG or JPEG file"),
        ("half.jpg", "jpeg", "undecodable", r"half\.jpg.*damaged data .*expected a whole PNG or JPEG file"),
    ],
)
def test_half_a_picture_is_refused(name: str, form: str, kind: str, message: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    whole = io.BytesIO()
    Image.fromarray(noise).save(whole, form)
    (tmp_path / name).write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    with pytest.raises(ClipError, match=message) as caught:
        decoder().of_file("frames", tmp_path / name)
    assert caught.value.kind == kind


def test_a_picture_of_16_bits_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(ClipError, match=r"colours of the form I;16; expected 8 bits a colour"):
        read_still(tmp_path / "deep.png", LIMITS)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = write_still(tmp_path / "x.png", "png")
    with pytest.raises(ClipError, match=r"2400 pixels a picture; expected at most limits\.picture_pixels=2399"):
        decoder(picture_pixels=2399).of_file("frames", path)


def test_a_still_picture_has_no_sound(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="a still picture; expected a file with sound") as caught:
        decoder().of_file("logmel", write_still(tmp_path / "x.png", "png"))
    assert caught.value.kind == "no_audio"


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros((2, 100), np.float32), r"float32 of shape \(2, 100\); expected .* one channel"),
        (np.zeros(100, np.int16), r"int16 of shape \(100,\); expected floating numbers in \[-1, 1\]"),
        (np.full(100, 300.0), r"a magnitude of 300; expected"),
        (np.array([0.0, np.nan]), r"a magnitude of nan; expected"),
        (np.array([0.0, -np.inf]), r"a magnitude of inf; expected"),
    ],
)
def test_what_is_no_waveform_is_refused(waveform: NDArray[np.floating], message: str) -> None:
    with pytest.raises(DataError, match=message):
        checked_waveform(waveform)


def test_a_sound_that_is_too_short_is_refused_with_its_kind() -> None:
    with pytest.raises(ClipError, match=r"waveform.*0\.100 s of audio; expected at least one example of 0\.975 s"):
        decoder().of_waveform(np.zeros(1600, np.float32))


def test_pictures_are_kept_as_a_video_of_one_a_second_is() -> None:
    pictures = [picture(), picture(80, 80)]
    arrays = decoder().of_pictures(pictures)
    assert arrays["seconds"].tolist() == [0.5, 1.5]
    for kept, given in zip(decode_jpegs(arrays["jpeg"], arrays["lengths"]), pictures, strict=True):
        np.testing.assert_allclose(kept.astype(int), resize(given, 299), atol=60)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ([], "pictures: none; expected at least one"),
        ([picture(), picture()[..., 0]], r"number 1 is uint8 of shape \(40, 60\); expected uint8 \(height, width, 3\)"),
        ([picture() / 255], r"number 0 is float64 of shape \(40, 60, 3\); expected uint8"),
        ([picture()[:0]], r"number 0 is uint8 of shape \(0, 60, 3\)"),
    ],
)
def test_what_are_no_pictures_is_refused(pictures: list[NDArray[np.uint8]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        decoder().of_pictures(pictures)


def test_too_many_pictures_are_refused() -> None:
    with pytest.raises(ClipError, match=r"2 pictures; expected at most limits\.rows_per_clip=1"):
        decoder(rows_per_clip=1).of_pictures([picture(), picture()])


def test_a_section_that_is_wrong_or_missing_is_named() -> None:
    wrong = InputDecoder({"logmel": PARAMS["logmel"] | {"n_mels": -1}}, LIMITS)
    with pytest.raises(
        DataError, match=r"decoding\.logmel\.n_mels: Input should be greater than 0; expected what the encoder was"
    ):
        wrong.of_waveform(np.zeros(16000, np.float32))
    with pytest.raises(DataError, match="no section 'frames'; expected an encoder of networks"):
        wrong.of_pictures([picture()])
