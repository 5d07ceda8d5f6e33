"""A folder with a model for TensorFlow.js is read whole, or refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError
from pipeline.weights.readers import read_weights
from pipeline.weights.store import import_file
from tests.helpers.tiny_inception import keras_arrays, save_tfjs, tiny_state


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny Inception-v3, as a folder."""
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(tmp_path / "weights"))
    save_tfjs(tmp_path / "mine", keras_arrays(tiny_state(monkeypatch)))
    return tmp_path / "mine"


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    model = json.loads((folder / "model.json").read_text())
    change(model)
    (folder / "model.json").write_text(json.dumps(model))


def group(model: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    return model["weightsManifest"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format="graph-model"), r"model\.json: a graph model, .*; expected a layers model"),
        (lambda m: m.pop("weightsManifest"), r"model\.json: weightsManifest: Field required; expected a layers model"),
        (lambda m: group(m).update(paths=["../x.bin"]), r"json: '\.\./x\.bin'; expected the name of a file beside it"),
        (lambda m: group(m).update(paths=["gone"]), r"model\.json: 'gone'; expected the name of a file beside it"),
        (lambda m: group(m)["weights"].pop(), r"mine: \d+ bytes in its files; expected \d+, the size of its tensors"),
        (
            lambda m: group(m)["weights"][-1].update(shape=[3]),
            r"mine: batch_normalization_1/moving_variance of shape \(3,\) ends at byte \d+; expected at most \d+",
        ),
        (
            lambda m: group(m)["weights"][0].update(dtype="string"),
            r"mine: conv2d/kernel is of string; expected one of: float32, float16, int32, uint16, uint8, bool",
        ),
        (lambda m: group(m)["weights"][0].update(shape=[-1]), r"weights\.0\.shape\.0: .*; expected a layers model"),
    ],
)
def test_a_folder_that_does_not_hold_what_it_says_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit(folder, change)
    with pytest.raises(DataError, match=message):
        read_weights("inception", folder)


def test_a_file_beside_the_folder_is_not_read_even_where_it_is_there(folder: Path) -> None:
    (folder / "group1-shard2of2.bin").rename(folder.parent / "x.bin")
    edit(folder, lambda m: group(m).update(paths=["group1-shard1of2.bin", "../x.bin"]))
    with pytest.raises(DataError, match=r"'\.\./x\.bin'; expected the name of a file beside it"):
        import_file("inception", folder)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "3"])
def test_a_description_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "model.json").write_text(text)
    with pytest.raises(DataError, match=r"model\.json: .*; expected a layers model for TensorFlow\.js"):
        import_file("inception", folder)


def test_a_folder_with_other_numbers_is_imported_under_another_name(folder: Path) -> None:
    first = import_file("inception", folder)
    assert import_file("inception", folder) == first
    numbers = folder / "group1-shard2of2.bin"
    numbers.write_bytes(bytes(4) + numbers.read_bytes()[4:])
    assert import_file("inception", folder) not in ("", first)
