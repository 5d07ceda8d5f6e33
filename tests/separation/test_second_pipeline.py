"""The second dvc.yaml under DVC itself: the main pipeline does not see it, and -S changes its params."""

from pathlib import Path

import pytest
import yaml

from tests.helpers.project import Project, ran
from tests.helpers.separation import SMALL, separation_params
from tests.helpers.yaml_text import read_yaml

SPEECH = "separation/dvc.yaml:report@speech"  # all that one task needs, as `make separation` asks for it


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("cache"))
    for name in ("dvc.lock", "speech/metrics.json", "music/metrics.json"):
        (made.folder / "separation" / name).unlink(missing_ok=True)
    params = separation_params(SMALL)
    (made.folder / "separation/speech/params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    made.git("add", "-A")
    made.git("commit", "-qm", "a small second pipeline")
    return made


@pytest.fixture(scope="module")
def first_output(project: Project) -> str:
    """What DVC says of the first run of all that the task needs."""
    return project.dvc("repro", SPEECH)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_main_pipeline_lists_no_stage_of_the_second_one(project: Project) -> None:
    listed = project.dvc("stage", "list", "--name-only").split()
    assert "dataset" in listed
    assert [
        name for name in listed if "separat" in name or name.partition("@")[0] in ("clips", "sounds", "views")
    ] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_second_pipeline_runs_and_a_second_time_only_looks_for_clips(project: Project, first_output: str) -> None:
    stages = {name.partition(":")[2] for name in ran(first_output)}
    names = ("audio_only", "visualvoice")
    members = [f"{stage}@speech-{name}" for stage in ("train", "separate") for name in names]
    once = [f"{stage}@speech" for stage in ("clips", "sounds", "views", "mixtures", "evaluate", "report")]
    assert stages == {*once, *members}
    assert (project.folder / "separation/speech/metrics.json").exists()
    assert (project.folder / "separation/speech/report/index.html").exists()
    assert not (project.folder / "metrics.json").exists()
    again = project.dvc("repro", SPEECH)
    assert {name.partition(":")[2] for name in ran(again)} == {"clips@speech"}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("first_output")
def test_an_experiment_changes_one_number_and_runs_what_depends_on_it(project: Project) -> None:
    changed = "separation/speech/params.yaml:evaluate.bootstrap_draws=60"
    output = project.dvc("exp", "run", SPEECH, "-S", changed)
    assert {name.partition(":")[2] for name in ran(output)} == {"clips@speech", "evaluate@speech", "report@speech"}
    params = read_yaml(Path(project.folder / "separation/speech/params.yaml").read_text())
    assert params["evaluate"]["bootstrap_draws"] == 60
