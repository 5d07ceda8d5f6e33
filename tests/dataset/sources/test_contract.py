"""What every source of clips must be: it is found by its file, documented, and a path that is not there is named."""

import inspect
import re
import shutil
from pathlib import Path

import pytest

from pipeline.dataset import sources
from pipeline.dataset.base import ENTRY_POINTS, DatasetParams, source_module, source_names
from pipeline.errors import ParamsError, PipelineError
from tests.helpers.dataset_params import PARAMS_FILE, dataset_params
from tests.helpers.project import ROOT

MADE = ("demo", "players", "talkers")  # which make their clips
every_source = pytest.mark.parametrize("name", source_names())


def refusal_of(params: DatasetParams) -> str:
    """What a source says of params that it cannot be read by."""
    module = source_module(params.source)
    with pytest.raises(PipelineError) as raised:
        next(getattr(module, entry) for entry in ENTRY_POINTS if hasattr(module, entry))(params)
    return str(raised.value)


def test_a_file_of_the_folder_is_a_source() -> None:
    assert set(source_names()) == {path.stem for path in (ROOT / "pipeline/dataset/sources").glob("[!_]*.py")}
    assert {"demo", "features", "folder"} <= set(source_names())


@every_source
def test_a_source_has_one_entry_point_that_says_what_comes_back(name: str) -> None:
    module = source_module(name)
    (entry,) = (getattr(module, entry) for entry in ENTRY_POINTS if hasattr(module, entry))
    assert (inspect.getdoc(entry) or "").startswith("Return ")
    assert list(inspect.signature(entry).parameters) == ["params"]


@every_source
def test_a_source_is_described_in_its_file_and_in_the_docs(name: str) -> None:
    assert (source_module(name).__doc__ or "").startswith(f"Source ``{name}``: ")
    pages = [path.read_text() for path in (ROOT / "docs").glob("*.md")]
    assert any(f"`{name}`" in page or f"dataset.source={name}" in page for page in pages)


def test_the_params_files_list_all_sources() -> None:
    listed: set[str] = set()
    for path in (PARAMS_FILE, *sorted((ROOT / "separation").glob("*/params.yaml"))):
        words = re.search(r"\n  source: \w+ +# (.*):", path.read_text())
        assert words is not None
        listed |= set(words[1].split(" | "))
    assert sorted(listed) == source_names()


@every_source
def test_a_path_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    assert f"dataset.path={tmp_path / 'gone'}: " in refusal_of(dataset_params(source=name, path=tmp_path / "gone"))


@pytest.mark.parametrize("name", [name for name in source_names() if name not in MADE])
def test_a_source_of_files_asks_for_its_path(name: str) -> None:
    assert refusal_of(dataset_params(source=name, path=None)).startswith("dataset.path is null; expected ")


def test_an_unknown_source_lists_the_known_ones() -> None:
    with pytest.raises(ParamsError, match=r"dataset.source='ava'; expected one of \['ave', 'demo', 'face_tracks', "):
        source_module("ava")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "no entry point"),
        ("find_clips = None", "no entry point"),
        ("def find_clips(params): ...\ndef import_table(params): ...", "find_clips and import_table"),
    ],
)
def test_a_file_without_one_entry_point_is_refused(
    text: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"source_{len(text)}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    message = rf"dataset.source='{name}': .*{name}.py has {found}; expected either of find_clips and import_table"
    with pytest.raises(ParamsError, match=message):
        source_module(name)


def test_a_new_file_is_a_source_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "pipeline/dataset/sources/folder.py", tmp_path / "other_folder.py")
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    assert "other_folder" in source_names()
    assert "no such folder" in refusal_of(dataset_params(source="other_folder", path=tmp_path / "gone"))
