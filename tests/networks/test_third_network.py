"""Networks that the test adds to a copy of the project: each one folder, one section and one line, and nothing else."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from pipeline.formats.clips import read_clips
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.jpegs import decode_jpegs
from pipeline.formats.provenance import read_provenance
from pipeline.formats.shards import read_shards
from tests.helpers.project import Project, computed, ran
from tests.helpers.yaml_text import read_yaml

pytestmark = pytest.mark.timeout(600)
SCALE, SEED = 0.5, 2
ABOUT = '''
from pipeline.network_parts.base import NetworkParams

INPUTS, MODALITY, WIDTH = "{inputs}", "{modality}", 2


class Section(NetworkParams):
    scale: float


PARAMS = Section


def check_inputs(section):
    """Take rows of all sizes."""


def extra_facts(params):
    return {{}}
'''
PUBLISHED = """
SOURCES, UNUSED, KERAS_CHOICES = {{}}, (), {{}}


def expected_shapes():
    return {{"weight": ({n_channels}, 2)}}


def tensorflow_names():
    return {{}}


def keras_names():
    return {{}}
"""
RANDOM_WEIGHTS = """
import torch


def random_state(seed):
    return {{"weight": (seed + torch.arange(2 * {n_channels})).float().view(-1, 2)}}
"""
NETWORK = """
import torch

from pipeline.formats.jpegs import JpegPictures

BATCH_SIZES = {{"cpu": 3, "cuda": 3}}


class Tiny(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def forward(self, rows):
        return rows.double().flatten(1, -2).mean(1).float() @ self.weight


def build(state, params):
    return Tiny(params.scale * state["weight"])


def rows_of(arrays):
    return {rows}


def postprocessing(params):
    return None
"""
WORDS = {
    "ears": {"inputs": "logmel", "modality": "audio", "n_channels": 64, "rows": 'arrays["examples"]'},
    "eyes": {
        "inputs": "frames",
        "modality": "visual",
        "n_channels": 3,
        "rows": 'JpegPictures(arrays["jpeg"], arrays["lengths"][:])',
    },
}
PARTS = {"about": ABOUT, "published": PUBLISHED, "random_weights": RANDOM_WEIGHTS, "network": NETWORK}


def add_network(folder: Path, name: str) -> None:
    """Write a folder, a section and a line."""
    network = folder / "pipeline" / "networks" / name
    network.mkdir()
    (network / "__init__.py").touch()
    for part, source in PARTS.items():
        (network / f"{part}.py").write_text(source.format(**WORDS[name]))
    section = f"{name}: {{weights: random, allow_random: false, seed: {SEED}, scale: {SCALE}}}\n"
    line = f"  {name}: {{inputs: {WORDS[name]['inputs']}, modality: {WORDS[name]['modality']}}}\n"
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("networks:\n", f"{section}networks:\n{line}", 1))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project with two networks more, which make the features of a small demo."""
    made = Project(tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("cache"))
    made.env["AVR_WORKERS"] = "1"  # a second process would take longer to start than all clips take
    params = made.folder / "params.yaml"
    params.write_text(yaml.safe_dump(read_yaml(params.read_text()), default_flow_style=False, sort_keys=False))
    for name in WORDS:
        add_network(made.folder, name)
    return made


@pytest.fixture(scope="module")
def first_output(project: Project) -> str:
    """What DVC says of the first run of both networks."""
    return project.dvc("repro", "network@ears", "network@eyes")


def edited(project: Project) -> set[str]:
    command = ["git", "status", "--porcelain", "--untracked-files=all"]
    said = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=True).stdout
    return {line[3:] for line in said.splitlines() if not line.endswith((".pyc", "dvc.lock"))}


def rows_of(project: Project, name: str) -> dict[str, NDArray[np.float64]]:
    """What a network reads of every clip, its mean over all but the channels: (n, n_channels)."""
    means = {}
    for clip_id, arrays in read_shards(project.folder / "data" / str(WORDS[name]["inputs"])):
        rows = arrays["examples"] if name == "ears" else decode_jpegs(arrays["jpeg"], arrays["lengths"])
        means[clip_id] = rows.reshape(len(rows), -1, rows.shape[-1]).mean(axis=1, dtype=np.float64)
    return means


def test_a_folder_a_section_and_a_line_are_a_network_and_its_features_make_the_table(
    project: Project, first_output: str
) -> None:
    assert {f"network@{name}" for name in WORDS} <= ran(first_output)
    n_clips = len(read_clips(project.folder / "data" / "clips.csv"))
    assert [computed(first_output)[name] for name in WORDS] == [n_clips, n_clips]
    for name in WORDS:
        weight = SCALE * (SEED + np.arange(2 * int(str(WORDS[name]["n_channels"])))).reshape(-1, 2)
        embedded = {clip_id: arrays["embeddings"] for clip_id, arrays in read_shards(project.folder / "data" / name)}
        assert embedded.keys() == rows_of(project, name).keys()
        for clip_id, rows in rows_of(project, name).items():
            np.testing.assert_allclose(embedded[clip_id], rows @ weight, rtol=1e-4)
        facts = read_provenance(project.folder / "data" / name)
        assert (facts["weights"], facts["seed"], facts["scale"]) == ("random", SEED, SCALE)

    params = project.folder / "params.yaml"
    chosen = {"audio: vggish": "audio: ears", "visual: inception": "visual: eyes"}
    text = params.read_text()
    for usual, other in chosen.items():
        assert text.count(usual) == 1
        text = text.replace(usual, other)
    params.write_text(text)
    output = project.dvc("repro", "features")
    assert ran(output) == {"dataset", "features"}
    table = FeatureTable.load(project.folder / "data" / "features.safetensors")
    audio = {
        clip_id: arrays["embeddings"].mean(axis=0) for clip_id, arrays in read_shards(project.folder / "data/ears")
    }
    np.testing.assert_allclose(table.audio, [audio[clip_id] for clip_id in table.clip_ids], rtol=1e-5)
    assert set(table.provenance) == {"ears", "eyes", "features"}
    folders = {f"pipeline/networks/{name}/{part}.py" for name in WORDS for part in (*PARTS, "__init__")}
    assert edited(project) == folders | {"params.yaml"}


@pytest.mark.usefixtures("first_output")
def test_an_edit_of_one_network_reruns_no_other(project: Project) -> None:
    file = project.folder / "pipeline" / "networks" / "ears" / "network.py"
    file.write_text(file.read_text().replace(".mean(1)", ".amax(1)"))
    output = project.dvc("repro", "network@ears", "network@eyes")
    assert ran(output) == {"dataset", "network@ears"}
    assert computed(output).keys() == {"ears"}
    assert computed(output)["ears"] > 0  # its clips in the cache are those of other code
