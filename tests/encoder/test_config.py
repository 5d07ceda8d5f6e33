"""An encoder's folder that is damaged, edited, of a newer format or not there is refused, and the message says how."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.encoder import Encoder
from pipeline.errors import DataError
from tests.encoder.test_encoder import made_in
from tests.helpers.encoders import MadeEncoder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeEncoder:
    return made_in(tmp_path_factory.mktemp("run"), "cca")


@pytest.fixture
def copy(made: MadeEncoder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.folder, tmp_path / "encoder"))


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda config: config.update(format=2),
            r"format 2; expected at most 1: a newer version of this project wrote",
        ),
        (lambda config: config.update(format="1"), r"format '1'; expected the folder of an encoder"),
        (lambda config: config.update(format=True), r"format True; expected the folder of an encoder"),
        (lambda config: config.pop("format"), r"format None; expected the folder of an encoder"),
        (lambda config: config.update(surprise=1), r"surprise: Extra inputs are not permitted"),
        (lambda config: config.pop("classes"), r"classes: Field required"),
        (lambda config: config["model"].update(seeds=[]), r"model\.seeds: List should have at least 1 item"),
        (lambda config: config["model"].update(width=0), r"model\.width: Input should be greater than 0"),
        (lambda config: config["features"].update(whiten=3), r"features\.whiten: "),
        (lambda config: config["limits"].update(n_streams=-1), r"limits\.n_streams: Input should be greater than 0"),
        (lambda config: config.update(model_sha256="0" * 63), r"model_sha256: String should match pattern"),
    ],
)
def test_a_config_that_cannot_be_right_is_refused_with_the_key(change: Change, message: str, copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    change(config)
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=rf"config\.json: {message}"):
        Encoder.load(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", "\0", "[" * 100_000])
def test_a_config_that_is_none_is_refused(text: str, copy: Path) -> None:
    (copy / "config.json").write_text(text)
    with pytest.raises(DataError, match=r"config\.json: .*expected the folder of an encoder, as the stage `encoder`"):
        Encoder.load(copy)


def test_tensors_that_were_edited_are_refused(copy: Path) -> None:
    data = bytearray((copy / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "model.safetensors").write_bytes(data)
    with pytest.raises(
        DataError, match=r"model\.safetensors: its SHA-256 begins with \w{12}; expected \w{12}, as conf"
    ):
        Encoder.load(copy)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_that_is_missing_or_is_none_is_named(name: str, copy: Path) -> None:
    (copy / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: No such file or directory; expected the folder of an encoder"):
        Encoder.load(copy)
    (copy / name).mkdir()
    with pytest.raises(DataError, match=rf"{name}: a folder; expected a regular file"):
        Encoder.load(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda audio: audio.update(name="../evil"), r"network '../evil': no such network"),
        (lambda audio: audio["params"].update(dropout=1), r"network 'vggish': .*dropout"),
        (lambda audio: audio["facts"].update(final_relu=True), r"network 'vggish': .*expected .*'final_relu': True"),
    ],
)
def test_a_network_that_is_not_what_was_noted_is_refused_when_it_is_needed(
    change: Change, message: str, copy: Path
) -> None:
    config = json.loads((copy / "config.json").read_text())
    change(config["networks"]["audio"])
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        Encoder.load(copy).network("audio")
