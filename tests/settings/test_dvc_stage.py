"""The place of a stage among all, as DVC itself would count it."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.settings.dvc_stage import project_stages, stage_in_words, stage_names
from tests.helpers.dvc_stages import resolved_stages
from tests.helpers.yaml_text import read_yaml

ROOT = Path(__file__).parents[2]
SHOW = "python -c 'from pipeline.settings.dvc_stage import stage_in_words; print(stage_in_words(\"show\"))' > "
PARAMS = {"models": {"cca": "a", "kcca": "b"}, "sizes": {"of": [8, 16]}}
PIPELINE = {
    "stages": {
        "first": {"cmd": f"{SHOW}first.txt"},
        "keys": {"foreach": "${models}", "do": {"cmd": f"{SHOW}${{key}}.txt"}},
        "values": {"foreach": "${sizes.of}", "do": {"cmd": "echo ${item}"}},
        "maps": {"foreach": [{"a": 1}, {"a": 2}], "do": {"cmd": "echo ${item.a}"}},
        "grid": {"matrix": {"size": "${sizes.of}", "name": ["x", "y"]}, "cmd": "echo ${item.size} ${item.name}"},
        "show": {"cmd": f"{SHOW}show.txt"},
    }
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of DVC, without Git."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False))
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump(PIPELINE, sort_keys=False))
    dvc(tmp_path, "init", "--no-scm", "--quiet")
    return tmp_path


def dvc(folder: Path, *words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def test_stages_are_named_and_ordered_as_dvc_lists_them(project: Path) -> None:
    listed = dvc(project, "stage", "list", "--names-only").split()
    assert sorted(stage_names(PIPELINE, PARAMS)) == sorted(listed)
    assert list(stage_names(PIPELINE, PARAMS))[:4] == ["first", "keys@cca", "keys@kcca", "values@8"]


def test_the_stages_of_the_second_pipeline_are_those_that_dvc_lists_and_know_their_place_in_a_folder_below(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = project_stages(ROOT / "separation")
    assert sorted(names) == sorted(resolved_stages("separation"))
    monkeypatch.chdir(ROOT / "separation/speech")
    monkeypatch.setenv("DVC_STAGE", f"separation/dvc.yaml:{names[1]}")
    assert stage_in_words(names[1].partition("@")[0]) == f"stage 2 of {len(names)}, {names[1]}"


def test_the_stages_of_the_project_are_those_that_dvc_lists() -> None:
    read = (read_yaml((ROOT / name).read_text()) for name in ("dvc.yaml", "params.yaml"))
    assert sorted(stage_names(*read)) == sorted(dvc(ROOT, "stage", "list", "--names-only").split())


def test_a_stage_that_dvc_runs_knows_its_place(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    dvc(project, "repro", "first", "keys@kcca", "show")
    said = {name: (project / f"{name}.txt").read_text().strip() for name in ("first", "kcca", "show")}
    assert said == {
        "first": "stage 1 of 12, first, show",
        "kcca": "stage 3 of 12, keys@kcca, show",
        "show": "stage 12 of 12, show",
    }


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("train", "stage 3 of 3, train@kcca"),
        ("train, seed 1", "stage 3 of 3, train@kcca, seed 1"),
        ("kcca", "stage 3 of 3, train@kcca"),
        ("demo", "stage 3 of 3, train@kcca, demo"),
    ],
)
def test_what_is_done_follows_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, words: str) -> None:
    (tmp_path / "params.yaml").write_text("models: {cca: a, kcca: b}")
    (tmp_path / "dvc.yaml").write_text("stages: {dataset: {cmd: x}, train: {foreach: '${models}', do: {cmd: x}}}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "part/dvc.yaml:train@kcca")
    assert stage_in_words(task) == words


@pytest.mark.parametrize(
    "pipeline", [None, "stages: [", "nothing: 1", "stages: {other: {cmd: x}}", "stages: {a: {foreach: '${b.c}'}}", "1"]
)
def test_without_a_pipeline_that_tells_the_place_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipeline: str | None
) -> None:
    (tmp_path / "params.yaml").write_text("a: 1")
    if pipeline is not None:
        (tmp_path / "dvc.yaml").write_text(pipeline)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "logmel")
    assert stage_in_words("logmel") == "logmel"


def test_outside_of_dvc_the_task_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    assert stage_in_words("train, seed 0") == "train, seed 0"
