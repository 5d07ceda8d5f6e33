"""The folder of an encoder is made of what the stages wrote; a part that is missing or damaged leaves no folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.encoder.making import joint_width, write_encoder
from pipeline.errors import DataError
from pipeline.formats.embeddings import write_arrays
from tests.encoder.test_encoder import made_in
from tests.helpers.encoders import MadeEncoder
from tests.helpers.yaml_text import read_yaml


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeEncoder:
    monkeypatch.chdir(tmp_path)
    return made_in(tmp_path, "cca")


def test_equal_runs_give_equal_bytes(made: MadeEncoder, tmp_path: Path) -> None:
    write_encoder(made.run, tmp_path / "again")
    names = sorted(path.name for path in made.folder.iterdir())
    assert names == ["README.md", "config.json", "model.safetensors"]
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (made.folder / name).read_bytes()


def test_the_config_has_every_parameter_from_the_file_to_the_model(made: MadeEncoder) -> None:
    config, params = (
        json.loads((made.folder / "config.json").read_text()),
        read_yaml(Path("params.yaml").read_text()),
    )
    assert config["decoding"] == {stage: params[stage] for stage in ("logmel", "frames")}
    assert {n["name"]: n["params"] for n in config["networks"].values()} == {
        n: params[n] for n in ("vggish", "inception")
    }
    for section in ("features", "limits"):
        assert config[section] == params[section]
    assert config["model"]["params"] == params["baselines"]["cca"]
    assert config["feature_widths"] == {"audio": 128, "visual": 24}


def test_no_path_of_the_machine_is_in_it(made: MadeEncoder, tmp_path: Path) -> None:
    params = read_yaml(Path("params.yaml").read_text())
    params["vggish"]["weights"] = str(tmp_path / "mine.pth")
    params["dataset"]["path"] = str(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(params))
    write_encoder(made.run, tmp_path / "out")
    for file in (tmp_path / "out").iterdir():
        assert str(tmp_path).encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("features", r"f\.safetensors: .*expected a table that the stage `features` wrote"),
        ("pca", r"pca\.safetensors: .*expected a PCA that the stage `features` wrote"),
        ("metrics", r"m\.json: .*expected what the stage `evaluate` wrote"),
    ],
)
def test_a_part_that_is_damaged_leaves_no_folder_or_the_one_that_was_there(
    name: str, message: str, made: MadeEncoder, tmp_path: Path
) -> None:
    getattr(made.run, name).write_bytes(b"damaged")
    for out, expected in ((tmp_path / "new", False), (made.folder, True)):
        with pytest.raises(DataError, match=message):
            write_encoder(made.run, out)
        assert out.exists() == expected
    made.load()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "encoder", "params.yaml"]


def test_metrics_without_the_model_are_refused(made: MadeEncoder, tmp_path: Path) -> None:
    metrics = json.loads(made.run.metrics.read_text())
    made.run.metrics.write_text(json.dumps(metrics | {"models": {}}))
    with pytest.raises(DataError, match=r"m\.json: models \[\]; expected one of cca"):
        write_encoder(made.run, tmp_path / "new")


def test_the_width_is_that_of_the_embeddings(made: MadeEncoder, tmp_path: Path) -> None:
    assert joint_width(made.run.embeddings / "cca.npz") == made.rows["audio"].shape[-1]
    for content in (np.zeros(3), np.zeros((2, 3))):
        write_arrays(tmp_path / "x.npz", {"audio": content})
        with pytest.raises(DataError, match=r"x\.npz: .*expected embeddings that the stage `train` wrote"):
            joint_width(tmp_path / "x.npz")
    with pytest.raises(DataError, match=r"none\.npz: .*expected embeddings that the stage `train` wrote"):
        joint_width(tmp_path / "none.npz")
