"""What holds for every folder of pipeline/networks, found by itself, with its section as it stands in params.yaml."""

import ast
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import DataError
from pipeline.extraction.decoding import decode_file
from pipeline.network_parts.base import check_line, network_lines, network_names, network_params, network_part
from pipeline.network_parts.inference import embedder
from pipeline.settings.params import read_section
from pipeline.weights.readers import expected_shapes
from tests.helpers.project import ROOT, write_video

PARAMS_FILE = ROOT / "params.yaml"
FILE_FORMATS = ROOT / "pipeline" / "dataset" / "feature_files"  # folders of published files are called after networks
CPU = torch.device("cpu")

each_network = pytest.mark.parametrize("name", network_names())


@cache
def random_state(name: str, seed: int = 0) -> dict[str, Tensor]:
    state: dict[str, Tensor] = network_part(name, "random_weights").random_state(seed)
    return state


def embed(name: str, rows: NDArray[np.generic]) -> NDArray[np.float32]:
    state, params = dict(random_state(name)), network_params(name, PARAMS_FILE)
    [(_, vectors)] = embedder(name, state, params, CPU)([("clip", rows)])
    return vectors


@each_network
def test_every_network_has_its_section_and_a_line_that_fits_it(name: str) -> None:
    assert network_params(name, PARAMS_FILE).weights == "random"
    check_line(name, network_lines(PARAMS_FILE)[name])


@each_network
def test_the_arrays_of_params_yaml_have_the_size_that_a_network_takes(name: str) -> None:
    about = network_part(name, "about")
    about.check_inputs(read_section(about.INPUTS, PARAMS_FILE))
    assert about.extra_facts(network_params(name, PARAMS_FILE)) == {}


@each_network
def test_what_must_be_known_of_a_network_loads_no_torch(name: str) -> None:
    modules = ", ".join(f"pipeline.networks.{name}.{part}" for part in ("about", "published"))
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_sources_of_all_networks_have_names_of_their_own() -> None:
    names = Counter(source for name in network_names() for source in network_part(name, "published").SOURCES)
    assert [name for name, count in names.items() if count > 1 or name == "random"] == []


@each_network
def test_every_source_says_where_it_is_published_and_under_which_licence(name: str) -> None:
    for source in network_part(name, "published").SOURCES.values():
        assert source.network == name
        assert source.url.startswith("https://")
        assert source.file
        assert source.licence


@each_network
def test_random_weights_have_the_names_and_shapes_of_published_ones(name: str) -> None:
    published = network_part(name, "published")
    state = {key: value for key, value in random_state(name).items() if key in expected_shapes(name)}
    assert {key: tuple(value.shape) for key, value in state.items()} == expected_shapes(name)
    assert set(published.tensorflow_names()) <= expected_shapes(name).keys()


@each_network
def test_the_seed_alone_decides_random_weights(name: str) -> None:
    torch.manual_seed(12345)
    before = torch.random.get_rng_state()
    again = network_part(name, "random_weights").random_state(0)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(again[key], value) for key, value in random_state(name).items())
    assert not all(torch.equal(random_state(name, 1)[key], value) for key, value in again.items())


@each_network
def test_a_clip_becomes_finite_float32_vectors_of_the_network_s_width(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    write_video(tmp_path / "clip.mp4", seed=0)
    about = network_part(name, "about")
    arrays = decode_file(about.INPUTS, tmp_path / "clip.mp4")
    rows = network_part(name, "network").rows_of(arrays)
    vectors = embed(name, rows)
    assert vectors.shape == (len(arrays["seconds"]), about.WIDTH) == (len(rows), about.WIDTH)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors, axis=0)) == len(vectors)


@each_network
def test_rows_of_another_shape_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"shape \(\d+, 5, 7\); expected"):
        embed(name, np.zeros((2, 5, 7), np.float32))


def words_of_code(path: Path) -> set[str]:
    """The words that a file's code has, docstrings and comments left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    values = [value for node in ast.walk(tree) for _, value in ast.iter_fields(node) if isinstance(value, str)]
    return {word for value in values for word in re.findall(r"\w+", value)}


def test_no_file_but_those_of_its_folder_names_a_network() -> None:
    files = [path for folder in ("pipeline", "stages") for path in (ROOT / folder).rglob("*.py")]
    others = [path for path in files if not path.is_relative_to(ROOT / "pipeline" / "networks")]
    naming = [path for path in others if words_of_code(path) & set(network_names())]
    assert [str(path) for path in naming if not path.is_relative_to(FILE_FORMATS)] == []
