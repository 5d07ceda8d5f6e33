"""A network as params.yaml chooses it, on one file and on all clips."""

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from pipeline.clip_jobs.share import Share
from pipeline.errors import DataError, ParamsError
from pipeline.extraction.decoding import decode_file
from pipeline.extraction.embedding import ChosenNetwork, embed_file, embed_folder
from pipeline.formats.provenance import read_provenance
from pipeline.formats.shards import read_shards, write_shards
from pipeline.networks.inception import random_weights
from pipeline.networks.vggish import random_weights as vggish_weights
from tests.helpers.project import Changes, write_params, write_video
from tests.helpers.random_networks import random_state
from tests.helpers.yaml_text import read_yaml


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(tmp_path / "weights"))
    write_params(tmp_path, {})


@pytest.fixture
def _weights_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    state = random_state("vggish", seed=0)

    def known(seed: int) -> dict[str, Tensor]:
        assert seed == 0
        return dict(state)

    monkeypatch.setattr(vggish_weights, "random_state", known)


@pytest.mark.usefixtures("_weights_made_once")
def test_a_file_alone_becomes_the_vectors_that_the_stage_writes_of_the_clip() -> None:
    for number in range(2):
        write_video(Path(f"{number}.mp4"), seed=number)
    clips = {name: decode_file("logmel", name) for name in ("0.mp4", "1.mp4")}
    write_shards(Path("logmel"), clips, clips.__getitem__)
    embed_folder("vggish", Path("logmel"), Path("out"), Share(1, 1))
    network = ChosenNetwork("vggish")
    for name, kept in read_shards(Path("out")):
        vectors, seconds = embed_file(network, name)
        np.testing.assert_array_equal(vectors, kept["embeddings"])
        np.testing.assert_array_equal(seconds, kept["seconds"])
    assert read_provenance(Path("out")) == network.facts
    assert network.facts["postprocess"] == "none"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"networks": {"vggish": {"inputs": "frames", "modality": "audio"}}}, r"networks\.vggish: .*'logmel'"),
        ({"vggish": {"weights": "imagenet"}}, r"vggish\.weights: 'imagenet' is unknown"),
        ({"vggish": {"dropout": 0.5}}, r"vggish\.dropout: unknown key"),
        ({"dataset": {"source": "folder"}}, r"vggish\.weights: 'random' with dataset\.source='folder'"),
    ],
)
def test_params_that_do_not_fit_the_network_are_refused(changes: Changes, message: str, tmp_path: Path) -> None:
    write_params(tmp_path, changes)
    with pytest.raises(ParamsError, match=message):
        ChosenNetwork("vggish")


@pytest.mark.usefixtures("_weights_made_once")
def test_the_pca_of_audioset_is_among_the_facts_where_it_is_wanted(tmp_path: Path) -> None:
    write_params(tmp_path, {"vggish": {"postprocess": "pca"}})
    with pytest.raises(DataError, match=r"weights/vggish_pca_params\.npz: missing, and vggish\.postprocess needs it"):
        _ = ChosenNetwork("vggish").facts
    Path("weights").mkdir()
    np.savez(Path("weights/vggish_pca_params.npz"), pca_eigen_vectors=np.eye(128), pca_means=np.zeros(128))
    facts = ChosenNetwork("vggish").facts
    assert len(str(facts["pca_sha256"])) == 64
    assert facts["postprocess"] == "pca"


def test_a_wrong_device_is_refused_before_weights_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def random_state(seed: int) -> dict[str, Tensor]:
        raise AssertionError(seed)

    monkeypatch.setattr(random_weights, "random_state", random_state)
    monkeypatch.setenv("AVR_DEVICE", "abacus")
    with pytest.raises(ParamsError, match="not a device of this machine"):
        _ = ChosenNetwork("inception").embedder


def test_the_sections_of_the_networks_stand_in_params_yaml() -> None:
    params = read_yaml(Path("params.yaml").read_text())
    assert set(params["networks"]) <= set(params)


def test_inputs_that_are_not_there_are_no_data_set_without_clips(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nope: no such folder; expected what the stage of that name has written"):
        embed_folder("vggish", tmp_path / "nope", tmp_path / "out", Share(1, 1))
    assert not (tmp_path / "out").exists()
