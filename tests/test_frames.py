import io
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin
from pydantic import ValidationError
from torchvision.transforms.v2 import functional

from pipeline.errors import ClipError, DataError
from pipeline.formats.jpegs import JpegPictures, decode_jpegs, encode_jpeg
from pipeline.frames import FramesParams, offsets, picture_arrays, resize

SECTION: dict[str, Any] = {
    "frames_per_second": 2.0,
    "choice": "random",
    "seed": 0,
    "size": 64,
    "jpeg_quality": 95,
}


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def jpegs(pictures: list[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    files = [encode_jpeg(p, 95) for p in pictures]
    return np.concatenate(files), np.array([len(file) for file in files], np.int64)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("frames_per_second", 0),
        ("choice", "first"),
        ("seed", -1),
        ("size", 0),
        ("jpeg_quality", 0),
        ("jpeg_quality", 101),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        FramesParams(**(SECTION | {key: value}))


def test_qualities_from_1_to_100_are_taken() -> None:
    assert [FramesParams(**SECTION | {"jpeg_quality": quality}).jpeg_quality for quality in (1, 100)] == [1, 100]


def test_middle_looks_at_half_of_every_period() -> None:
    offset_of = offsets(FramesParams(**SECTION | {"choice": "middle"}), "clip")
    assert [offset_of(k) for k in range(3)] == [0.25, 0.25, 0.25]


def test_random_offsets_fill_the_period_evenly() -> None:
    offset_of = offsets(FramesParams(**SECTION), "clip")
    counts, _ = np.histogram([offset_of(k) for k in range(1000)], bins=5, range=(0.0, 0.5))
    assert counts.sum() == 1000
    assert counts.min() > 150


def test_a_random_offset_does_not_depend_on_those_drawn_before() -> None:
    in_order = offsets(FramesParams(**SECTION), "clip")
    assert [in_order(k) for k in range(8)][7] == offsets(FramesParams(**SECTION), "clip")(7)


@pytest.mark.parametrize(("change", "clip_id"), [({}, "other"), ({"seed": 1}, "clip")])
def test_random_offsets_differ_by_clip_and_seed(change: dict[str, int], clip_id: str) -> None:
    offset_of, other = offsets(FramesParams(**SECTION), "clip"), offsets(FramesParams(**SECTION | change), clip_id)
    assert all(offset_of(k) != other(k) for k in range(8))


@pytest.mark.parametrize("size", [75, 99, 299])
@pytest.mark.parametrize(("height", "width"), [(240, 320), (99, 99), (720, 406), (37, 53), (480, 99), (1, 640)])
def test_resize_gives_the_bytes_of_torchvision(height: int, width: int, size: int) -> None:
    picture = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    tensor = torch.from_numpy(picture).permute(2, 0, 1)
    expected = functional.resize(tensor, [size, size], antialias=True)
    np.testing.assert_array_equal(resize(picture, size), expected.permute(1, 2, 0).numpy())


@pytest.mark.parametrize(("height", "width"), [(240, 320), (360, 640), (31, 47), (64, 64)])
def test_resize_is_the_bilinear_of_pillow_up_to_its_rounding(height: int, width: int) -> None:
    source = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = Image.fromarray(source).resize((99, 99), Image.Resampling.BILINEAR)
    difference = np.abs(resize(source, 99) - np.asarray(expected, int))
    assert difference.max() <= 1
    assert difference.mean() < 0.02


def test_a_jpeg_keeps_colour_at_half_resolution() -> None:
    with Image.open(io.BytesIO(encode_jpeg(picture(64, 64), 95).tobytes())) as image:
        assert JpegImagePlugin.get_sampling(image) == 2  # Pillow's number for 4:2:0


def test_a_higher_quality_is_nearer_to_the_picture() -> None:
    errors = []
    for quality in (50, 80, 95):
        file = encode_jpeg(picture(64, 64), quality)
        errors.append(np.abs(decode_jpegs(file, np.array([len(file)])) - picture(64, 64).astype(int)).mean())
    assert errors == sorted(errors, reverse=True)


def test_a_jpeg_has_the_same_bytes_each_time() -> None:
    np.testing.assert_array_equal(encode_jpeg(picture(64, 64), 95), encode_jpeg(picture(64, 64), 95))


def test_pictures_come_back_from_jpeg_in_order_and_nearly_unchanged() -> None:
    pictures = [picture(64, 64, seed) for seed in range(3)]
    decoded = decode_jpegs(*jpegs(pictures))
    assert decoded.shape == (3, 64, 64, 3)
    assert np.abs(decoded.astype(int) - np.stack(pictures)).mean() < 4


@pytest.mark.parametrize("rows", [slice(0, 2), slice(3, 9), slice(2, 2), slice(None)])
def test_a_slice_of_pictures_is_that_of_all_of_them(rows: slice) -> None:
    data, lengths = jpegs([picture(64, 64, seed) for seed in range(5)])
    pictures = JpegPictures(data, lengths)
    assert (pictures.shape, len(pictures)) == ((5, 64, 64, 3), 5)
    np.testing.assert_array_equal(pictures[rows], decode_jpegs(data, lengths)[rows], strict=True)
    assert pictures[rows].dtype == pictures.dtype == np.uint8


def test_a_slice_decodes_no_other_picture() -> None:
    data, lengths = jpegs([picture(64, 64), picture(64, 64)])
    data[lengths[0] :] = 0  # no JPEG any more
    pictures = JpegPictures(data, lengths)
    assert pictures[:1].shape == (1, 64, 64, 3)
    with pytest.raises(DataError, match="picture 1: "):
        pictures[1:]


class Noted:
    """Bytes of JPEG files that note which of them are read."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self.shape, self.dtype, self.data = data.shape, data.dtype, data
        self.reads: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, rows: slice) -> NDArray[np.uint8]:
        self.reads.append((int(rows.start), int(rows.stop)))
        return self.data[rows]


def test_a_slice_reads_the_bytes_of_its_own_pictures() -> None:
    data, lengths = jpegs([picture(64, 64, seed) for seed in range(3)])
    noted = Noted(data)
    pictures = JpegPictures(noted, lengths)
    assert noted.reads == [(0, lengths[0])]  # for the shape
    noted.reads.clear()
    pictures[1:3]
    assert noted.reads == [(lengths[0], lengths[:2].sum()), (lengths[:2].sum(), len(data))]


def test_what_is_kept_of_a_clip_is_the_resized_pictures_and_their_times() -> None:
    pictures = [picture(90, 120, seed) for seed in range(3)]
    kept = picture_arrays("clip", zip([0.5, 1.5, 2.5], pictures, strict=True), FramesParams(**SECTION))
    expected = np.stack([np.asarray(Image.fromarray(p).resize((64, 64), Image.Resampling.BILINEAR)) for p in pictures])
    assert kept["seconds"].tolist() == [0.5, 1.5, 2.5]
    assert np.abs(decode_jpegs(kept["jpeg"], kept["lengths"]) - expected.astype(int)).mean() < 4


def test_one_picture_and_the_files_are_in_memory_at_a_time() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)  # 230 kB
    pictures = ((float(k), np.roll(noise, k)) for k in range(300))
    tracemalloc.start()
    kept = picture_arrays("clip", pictures, FramesParams(**SECTION | {"size": 128}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kept["jpeg"].nbytes > 3e6
    assert peak < 1.5 * kept["jpeg"].nbytes


def test_a_video_without_a_picture_is_refused() -> None:
    problem = "clip 'blink': the video ends before its first picture is taken"
    with pytest.raises(ClipError, match=f"{problem}; .* one picture at 2 a second$") as caught:
        picture_arrays("blink", [], FramesParams(**SECTION))
    assert caught.value.kind == "too_short"


@pytest.mark.parametrize(("lengths", "n_bytes"), [([], 0), ([], 50), ([10], 50), ([60], 50), ([20, 20], 50)])
def test_lengths_that_do_not_fill_the_data_are_refused(lengths: list[int], n_bytes: int) -> None:
    problem = f"{len(lengths)} JPEG files in {n_bytes} bytes; expected at least 1, filling all bytes$"
    with pytest.raises(DataError, match=problem):
        decode_jpegs(np.zeros(n_bytes, np.uint8), np.array(lengths, np.int64))


def test_a_picture_that_is_no_jpeg_is_refused() -> None:
    png = io.BytesIO()
    Image.fromarray(picture(64, 64)).save(png, "png")
    with pytest.raises(DataError, match=r"picture 0: cannot identify .*; expected a whole JPEG file$"):
        decode_jpegs(np.frombuffer(png.getvalue(), np.uint8), np.array([len(png.getvalue())]))


@pytest.mark.parametrize("n_kept", [3, 200])
def test_a_damaged_jpeg_is_named(n_kept: int) -> None:
    data, lengths = jpegs([picture(64, 64), picture(64, 64)])
    with pytest.raises(DataError, match=r"picture 1: \w.*; expected a whole JPEG file$"):
        decode_jpegs(data[: lengths[0] + n_kept], np.array([lengths[0], n_kept]))
