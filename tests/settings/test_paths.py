"""Whatever takes a path takes it as text, as a Path, or as anything else that stands for one."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.clip_jobs.cache import ClipCache
from pipeline.errors import ClipError, DataError
from pipeline.formats import clips, embeddings, rejects, shards
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.files import write_atomically
from pipeline.models import cca, dual_subspace, kcca
from pipeline.settings.params import read_section
from pipeline.settings.paths import AnyPath
from pipeline.tune.tables import read_curves, read_trials
from pipeline.video import read_waveform, sample_frames, write_mp4
from tests.helpers.project import ROOT


class Place:
    """What is neither text nor a Path, but stands for one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


KINDS = [pytest.param(str, id="text"), pytest.param(Path, id="Path"), pytest.param(Place, id="PathLike")]
Kind = Callable[[Path], AnyPath]


def public_functions(node: ast.AST) -> Iterator[ast.FunctionDef]:
    """Functions and methods that others may call, those that make an object of a public class among them."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.ClassDef) and not part.name.startswith("_"):
            yield from public_functions(part)
        elif isinstance(part, ast.FunctionDef) and (part.name == "__init__" or not part.name.startswith("_")):
            yield part


def narrow_parameters(function: ast.FunctionDef) -> list[str]:
    """Parameters that must be a Path; one of the command line is made from text by typer."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    annotated = {argument.arg: argument.annotation for argument in arguments if argument.annotation}
    is_path = {name: ast.walk(annotation) for name, annotation in annotated.items()}
    return [
        f"{function.name}({name})"
        for name, nodes in is_path.items()
        if "typer." not in ast.unparse(annotated[name])
        and any(isinstance(node, ast.Name) and node.id == "Path" for node in nodes)
    ]


def test_no_public_function_asks_for_a_path_of_one_kind() -> None:
    files = sorted((ROOT / "pipeline").rglob("*.py"))
    functions = [function for path in files for function in public_functions(ast.parse(path.read_text()))]
    assert len(functions) > 200
    assert [name for function in functions for name in narrow_parameters(function)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_videos_are_written_and_read(tmp_path: Path, kind: Kind) -> None:
    video = kind(tmp_path / "a.mp4")
    write_mp4(video, np.zeros((8, 32, 32, 3), np.uint8), 8, np.zeros(16000, np.float32), 16000)
    assert read_waveform(video).shape[0] >= 16000
    assert sample_frames(video).shape == (1, 32, 32, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_tables_and_arrays_come_back(tmp_path: Path, kind: Kind) -> None:
    rows, labels = np.ones((2, 3), np.float32), np.array([0, 1])
    table = FeatureTable(
        clip_ids=["a", "b"],
        splits=["test"] * 2,
        labels=labels,
        classes=["x", "y"],
        audio=rows,
        visual=rows,
        provenance={},
    )
    table.save(kind(tmp_path / "table"))
    assert FeatureTable.load(kind(tmp_path / "table")).clip_ids == ["a", "b"]
    shards.write_shards(kind(tmp_path / "shards"), ["a"], lambda _: {"rows": rows})
    assert [name for name, _ in shards.read_shards(kind(tmp_path / "shards"))] == ["a"]
    write_atomically(kind(tmp_path / "new" / "file"), b"data")
    assert (tmp_path / "new" / "file").read_bytes() == b"data"
    cache = ClipCache(kind(tmp_path / "cache"), "f")
    cache.write("input", {"rows": rows})
    np.testing.assert_array_equal(cache.read("clip", "input")["rows"], rows)


@pytest.mark.parametrize("kind", KINDS)
def test_lists_of_clips_come_back(tmp_path: Path, kind: Kind) -> None:
    clips_csv, rejected_csv = kind(tmp_path / "clips.csv"), kind(tmp_path / "rejected.csv")
    clip, reject = (
        clips.Clip(clip_id="a", path="a.mp4", label="x"),
        rejects.Reject("b", "logmel", "no_audio", "no sound"),
    )
    clips.write_clips(clips_csv, [clip])
    clips.write_root(clips_csv, kind(tmp_path / "videos"))
    rejects.write(rejected_csv, [reject])
    assert clips.read_clips(clips_csv) == [clip]
    assert clips.read_root(clips_csv) == tmp_path / "videos"
    assert rejects.read(rejected_csv) == [reject]


@pytest.mark.parametrize("kind", KINDS)
def test_a_section_of_params_is_read(tmp_path: Path, kind: Kind) -> None:
    (tmp_path / "params.yaml").write_text("model: {seed: 3}\n")
    assert read_section("model.seed", kind(tmp_path / "params.yaml")) == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "read",
    [
        *[FeatureTable.load, embeddings.Embeddings.load, read_trials, read_curves, clips.read_clips],
        *[cca.Model.load, kcca.Model.load, dual_subspace.Model.load, read_waveform, sample_frames],
    ],
    ids=lambda read: read.__qualname__,
)
def test_a_file_that_is_not_there_is_named(read: Callable[[AnyPath], object], kind: Kind, tmp_path: Path) -> None:
    with pytest.raises((DataError, ClipError), match=f"{tmp_path}/none"):
        read(kind(tmp_path / "none"))
