"""The second dvc.yaml under DVC itself: the main pipeline does not see it, and -S changes its params."""

from pathlib import Path

import pytest
import yaml

from tests.helpers.project import Project, ran
from tests.helpers.separation import SMALL, separation_params


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("cache"))
    for name in ("dvc.lock", "metrics.json"):
        (made.folder / "separation" / name).unlink(missing_ok=True)
    params = separation_params(SMALL)
    (made.folder / "separation/params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    made.git("add", "-A")
    made.git("commit", "-qm", "a small second pipeline")
    return made


@pytest.mark.slow
def test_the_main_pipeline_lists_no_stage_of_the_second_one(project: Project) -> None:
    listed = project.dvc("stage", "list", "--name-only").split()
    assert "dataset" in listed
    assert [name for name in listed if "separat" in name or name in ("clips", "sounds", "views")] == []


@pytest.mark.slow
def test_the_second_pipeline_runs_and_a_second_time_only_looks_for_clips(project: Project) -> None:
    output = project.dvc("repro", "separation/dvc.yaml")
    stages = {name.partition(":")[2] for name in ran(output)}
    names = ("audio_only", "visualvoice")
    members = [f"{stage}@{name}" for stage in ("train", "separate") for name in names]
    assert stages == {"clips", "sounds", "views", "mixtures", *members, "evaluate"}
    assert (project.folder / "separation/metrics.json").exists()
    assert not (project.folder / "metrics.json").exists()
    again = project.dvc("repro", "separation/dvc.yaml")
    assert {name.partition(":")[2] for name in ran(again)} == {"clips"}


@pytest.mark.slow
def test_an_experiment_changes_one_number_and_runs_what_depends_on_it(project: Project) -> None:
    changed = "separation/params.yaml:evaluate.bootstrap_draws=60"
    output = project.dvc("exp", "run", "separation/dvc.yaml", "-S", changed)
    assert {name.partition(":")[2] for name in ran(output)} == {"clips", "evaluate"}
    params = yaml.safe_load(Path(project.folder / "separation/params.yaml").read_text())
    assert params["evaluate"]["bootstrap_draws"] == 60
