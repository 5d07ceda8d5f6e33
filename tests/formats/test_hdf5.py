"""HDF5 files whose numbers lie elsewhere, were never written, or are too many: refused, never zeros."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.dataset.sources.features import import_table
from pipeline.errors import DataError
from tests.helpers.dataset_params import dataset_params
from tests.helpers.feature_files import arrays_b, make_pairs, write_h5
from tests.helpers.params_file import with_limits

PAIRS = make_pairs()
AUDIO = PAIRS.audio
LIMITS = Path(__file__).parents[3] / "shared" / "cases" / "limits"


def read(path: Path) -> Any:  # noqa: ANN401 - what a source returns
    return import_table(dataset_params(source="features", path=path))


def write_b(path: Path, key: str, make: Callable[[Any], object]) -> Path:
    """A whole file of schema B beside one that lacks a key, which is made in another way."""
    write_h5(path.with_name("other.h5"), arrays_b(PAIRS))
    arrays = arrays_b(PAIRS)
    del arrays[key]
    with h5py.File(write_h5(path, arrays), "a") as file:
        make(file)
    return path


def link(file: Any) -> None:  # noqa: ANN401 - h5py has no types
    file["audio_feat"] = h5py.ExternalLink("other.h5", "/audio_feat")


def link_by_way_of_a_link(file: Any) -> None:  # noqa: ANN401 - h5py has no types
    file["there"] = h5py.ExternalLink("other.h5", "/")
    file["near"] = h5py.SoftLink("there/audio_feat")
    file["audio_feat"] = h5py.SoftLink("/near")


def raw_storage(file: Any) -> None:  # noqa: ANN401 - h5py has no types
    raw = Path(file.filename).with_name("raw.bin")
    AUDIO.astype("<f4").tofile(raw)
    file.create_dataset("audio_feat", AUDIO.shape, "<f4", external=[(str(raw), 0, h5py.h5f.UNLIMITED)])


def virtual(file: Any, source: str = "other.h5") -> None:  # noqa: ANN401 - h5py has no types
    layout = h5py.VirtualLayout(AUDIO.shape, "f4")
    layout[:] = h5py.VirtualSource(source, "audio_feat", AUDIO.shape)
    file.create_virtual_dataset("audio_feat", layout)


def virtual_without_its_part(file: Any) -> None:  # noqa: ANN401 - h5py has no types
    virtual(file, "gone.h5")


def virtual_of_itself(file: Any) -> None:  # noqa: ANN401 - h5py has no types
    layout = h5py.VirtualLayout(AUDIO.shape, "f4")
    layout[:5] = h5py.VirtualSource(".", "visual_feat", (5, AUDIO.shape[1]))
    file.create_virtual_dataset("audio_feat", layout)


def never_written(file: Any) -> None:  # noqa: ANN401 - h5py has no types
    file.create_dataset("audio_feat", AUDIO.shape, "f4")


def partly_written(file: Any) -> None:  # noqa: ANN401 - h5py has no types
    file.create_dataset("audio_feat", AUDIO.shape, "f4", chunks=(10, AUDIO.shape[1]))[:20] = AUDIO[:20]


CASES = [
    (link, "a link to data outside the file"),
    (link_by_way_of_a_link, "a link to data outside the file"),
    (raw_storage, r"raw data outside the file, in \['.*raw\.bin'\]"),
    (virtual, r"a virtual dataset of data outside it, in \['other\.h5'\]"),
    (virtual_without_its_part, r"a virtual dataset of data outside it, in \['gone\.h5'\]"),
    (virtual_of_itself, "a virtual dataset"),
    (never_written, r"shape \(36, \d\) is declared, and 0 of its \d+ bytes are in the file"),
    (partly_written, r"shape \(36, \d\) is declared, and 2 of its 4 chunks are in the file"),
]


@pytest.mark.parametrize(("make", "message"), CASES, ids=[case[0].__name__ for case in CASES])
def test_numbers_that_are_not_in_the_file_are_refused(
    make: Callable[[Any], None], message: str, tmp_path: Path
) -> None:
    path = write_b(tmp_path / "x.h5", "audio_feat", make)
    with pytest.raises(
        DataError, match=rf"x\.h5: audio_feat: {message}.*; expected numbers that lie in the file itself"
    ):
        read(path)


def test_links_inside_the_file_are_followed(tmp_path: Path) -> None:
    def links(file: Any) -> None:  # noqa: ANN401 - h5py has no types
        file["group/numbers"] = AUDIO
        file["group/near"] = h5py.SoftLink("numbers")
        file["audio_feat"] = h5py.SoftLink("/group/near")

    table = read(write_b(tmp_path / "x.h5", "audio_feat", links)).table
    np.testing.assert_array_equal(table.audio, AUDIO)


def test_a_link_in_a_circle_is_refused(tmp_path: Path) -> None:
    path = write_b(tmp_path / "x.h5", "audio_feat", lambda f: f.update({"audio_feat": h5py.SoftLink("audio_feat")}))
    with pytest.raises(DataError, match=r"x\.h5: audio_feat: a link"):
        read(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.h5")
    with pytest.raises(DataError, match=r"x\.h5: a pipe"):
        read(tmp_path / "x.h5")


@pytest.mark.parametrize(("key", "most"), [("table_rows", 35), ("array_gigabytes", 1e-7), ("expansion_factor", 0.01)])
def test_more_than_a_limit_allows_is_refused_before_it_is_read(
    key: str, most: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_limits(tmp_path, monkeypatch, **{key: most})
    with pytest.raises(DataError, match=rf"audio_feat: shape \(36, \d\), .*; expected at most limits\.{key}={most}"):
        read(write_h5(tmp_path / "x.h5", arrays_b(PAIRS)))


def test_kilobytes_that_unpack_to_many_times_as_much_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_limits(tmp_path, monkeypatch, expansion_factor=100)

    def zeros(file: Any) -> None:  # noqa: ANN401 - h5py has no types
        whole = np.zeros((2**12, 2**11), np.int32)
        file.create_dataset("audio_feat", data=whole, chunks=whole.shape, compression="gzip")

    with pytest.raises(DataError, match=r"audio_feat: .* 33554432 bytes .*limits\.expansion_factor=100"):
        read(write_b(tmp_path / "x.h5", "audio_feat", zeros))


@pytest.mark.skipif(not LIMITS.exists(), reason="needs ../shared/cases")
@pytest.mark.parametrize("name", ["external", "huge9", "vds_part_missing"])
def test_a_file_that_is_not_what_it_says_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=rf"{name}\.h5: audio_\w+: .*; expected numbers that lie in the file itself"):
        read(LIMITS / f"{name}.h5")
