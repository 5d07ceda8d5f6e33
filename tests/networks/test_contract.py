"""What holds for every folder of pipeline/networks, found by itself, with its section as it stands in params.yaml."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.extraction.decoding import decode_file
from pipeline.network_parts.base import check_line, network_lines, network_names, network_params, network_part
from pipeline.network_parts.inference import embedder
from pipeline.settings.device import chosen_device
from pipeline.settings.params import read_section
from pipeline.weights.readers import expected_shapes
from tests.helpers.pretended_gpu import pretended_gpu
from tests.helpers.project import ROOT, write_video
from tests.helpers.random_networks import random_state

PARAMS_FILE = ROOT / "params.yaml"
FILE_FORMATS = ROOT / "pipeline" / "dataset" / "feature_files"  # folders of published files are called after networks
CPU = torch.device("cpu")

ROWS = {"logmel": (96, 64), "frames": (299, 299, 3)}  # shape of a row, by what the stages write

each_network = pytest.mark.parametrize("name", network_names())


def embed(name: str, rows: NDArray[np.generic], device: torch.device = CPU) -> NDArray[np.float32]:
    embed_clips = embedder(name, random_state(name), network_params(name, PARAMS_FILE), device)
    [(_, vectors)] = embed_clips([("clip", rows)])
    return vectors


@each_network
def test_every_network_has_its_section_and_a_line_that_fits_it_perhaps_in_a_comment(name: str, tmp_path: Path) -> None:
    assert network_params(name, PARAMS_FILE).weights == "random"
    every_line_in = tmp_path / "params.yaml"
    every_line_in.write_text(re.sub(r"^  # (\w+: \{inputs: )", r"  \1", PARAMS_FILE.read_text(), flags=re.MULTILINE))
    check_line(name, network_lines(every_line_in)[name])


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
    expected = expected_shapes(name)
    assert {key: tuple(value.shape) for key, value in random_state(name).items() if key in expected} == expected
    assert set(published.tensorflow_names()) <= expected.keys()
    assert set(published.keras_names()) in (set(), expected.keys())


@pytest.fixture
def other_threads() -> Iterator[int]:
    """Another number of threads than usual, for one test."""
    usual = torch.get_num_threads()
    torch.set_num_threads(usual % 2 + 1)
    yield usual % 2 + 1
    torch.set_num_threads(usual)


@each_network
def test_the_seed_alone_decides_random_weights_and_not_the_number_of_threads(name: str, other_threads: int) -> None:
    torch.manual_seed(12345)
    before = torch.random.get_rng_state()
    again = network_part(name, "random_weights").random_state(0)
    assert torch.get_num_threads() == other_threads
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(again[key], value) for key, value in random_state(name).items())


@each_network
def test_another_seed_gives_other_weights(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = network_part(name, "random_weights")
    for number in [constant for constant in vars(module) if constant.startswith("N_REFERENCE")]:
        monkeypatch.setattr(module, number, 2)  # of inputs that the weights are tried on: seconds less
    first, second = module.random_state(0), module.random_state(1)
    equal = {key for key, value in first.items() if value.is_floating_point() and torch.equal(value, second[key])}
    assert all(len(first[key].unique()) == 1 for key in equal)  # biases, which are not drawn


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
def test_a_gpu_s_vectors_are_a_cpu_s_but_for_half_precision(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU in pretence, which refuses what mixes devices."""
    for device in ("cpu", "cuda"):
        monkeypatch.setitem(network_part(name, "network").BATCH_SIZES, device, 1)
    drawn = np.random.default_rng(0).random((2, *ROWS[network_part(name, "about").INPUTS]))
    rows = (255 * drawn).astype(np.uint8) if drawn.ndim == 4 else (4 * drawn - 4).astype(np.float32)
    with pretended_gpu(autocast=True):
        on_gpu = embed(name, rows, chosen_device())
    on_cpu = embed(name, rows)
    assert on_gpu.dtype == np.float32
    norms = np.linalg.norm(on_gpu, axis=1) * np.linalg.norm(on_cpu, axis=1)
    assert ((on_gpu * on_cpu).sum(axis=1) / norms > 0.999).all()
    assert not np.allclose(on_gpu, on_cpu, rtol=1e-5)  # it was in half precision


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
