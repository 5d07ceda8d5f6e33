"""Shares as jobs: processes by submitit's own executor for one machine, and sbatch as a script that notes its call."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import submitit  # noqa: F401 - now: its import closes all handlers of logging, TensorFlow's with the output of a test
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.clip_jobs.slurm import Resources, submit, wait
from pipeline.errors import DataError, ParamsError
from pipeline.formats.clips import Clip, write_clips, write_root
from pipeline.formats.files import file_sha256
from pipeline.video import write_mp4
from tests.helpers.project import ROOT

SMALL = Resources(10, 1, None, None, 256, {})
STAGE = """#!/bin/sh
case "$*" in
    *--shard=2/3) echo "one line" >&2; echo "no luck today" >&2; exit 3 ;;
    *) echo "first"; echo "done: $*" ;;
esac
"""
SBATCH = """#!/bin/sh
cp "$1" {folder}/submitted.sh
{then}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a stage that fails at the second of three shares."""
    monkeypatch.chdir(tmp_path)
    write_script(tmp_path / "stages" / "run", STAGE)
    return tmp_path


def write_script(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def with_sbatch(folder: Path, monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    write_script(folder / "bin" / "sbatch", SBATCH.format(folder=folder, then=then))
    write_script(folder / "bin" / "srun", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")


def test_every_share_is_a_job_and_what_it_said_last_is_shown(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wait(submit(["logmel", "a.csv", "out"], 2, SMALL, "logs", "local"))
    shown = capsys.readouterr().out.splitlines()
    assert shown == [f"done: logmel a.csv out --shard={k}/2" for k in (1, 2)]


def test_a_share_that_fails_is_named_and_keeps_no_other_from_its_end(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError) as caught:
        wait(submit(["logmel"], 3, SMALL, "logs", "local"))
    shown = capsys.readouterr().out.splitlines()
    assert (shown[0], shown[2]) == ("done: logmel --shard=1/3", "done: logmel --shard=3/3")
    assert shown[1].startswith("share 2/3: FAILED: ")
    said = str(caught.value)
    assert said.startswith("1 of 3 jobs failed: share 2/3 (")
    assert said.endswith("expected all to end: run the same command again, what is finished is kept")
    assert "no luck today" in Path(said.partition("(")[2].partition(")")[0]).read_text()


def test_the_shares_of_a_stage_leave_nothing_to_compute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command on the real stage; a plain run afterwards finds every clip in the cache."""
    (tmp_path / "stages").symlink_to(ROOT / "stages")
    (tmp_path / "params.yaml").symlink_to(ROOT / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name, value in (("PYTHONPATH", str(ROOT)), ("AVR_CACHE_DIR", str(tmp_path / "cache")), ("AVR_WORKERS", "1")):
        monkeypatch.setenv(name, value)
    clips = []
    for number in range(5):
        rng, path = np.random.default_rng(number), tmp_path / f"{number}.mp4"
        write_mp4(path, list(rng.integers(0, 255, (20, 64, 64, 3), np.uint8)), 10, rng.random(32000, np.float32), 16000)
        clips.append(Clip(clip_id=path.name, path=path.name, label="x", sha256=file_sha256(path)))
    write_clips(tmp_path / "clips.csv", clips)
    write_root(tmp_path / "clips.csv", tmp_path)
    stage = ["logmel", "clips.csv", "out"]
    done = CliRunner().invoke(app, ["slurm", *stage, "--shares", "2", "--cluster", "local", "--logs", "logs"])
    assert done.exit_code == 0, done.output
    assert "logmel: share 1/2: 3 clips, 3 computed, 0 already there, 0 of them refused" in done.output
    assert "logmel: share 2/2: 2 clips, 2 computed, 0 already there, 0 of them refused" in done.output
    assert len(list((tmp_path / "cache").glob("clips/logmel/*/*.safetensors"))) == 5
    assert not (tmp_path / "out").exists()
    assert os.popen("stages/run logmel clips.csv out").read() == "logmel: computed 0 of 5 clips\n"


def test_what_the_scheduler_is_asked_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sbatch(project, monkeypatch, "echo Submitted batch job 1234")
    words = ["slurm", "frames", "data/clips.csv", "data/frames", "--shares", "64", "--no-wait", "--logs", "logs"]
    words += ["--partition", "long", "--option", "account=lab", "--cores", "4", "--memory", "8", "--gpus", "1"]
    done = CliRunner().invoke(app, [*words, "--minutes", "90", "--at-a-time", "16"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("frames: 64 jobs, 1234_0 to 1234_63; they write to ")
    asked = {line for line in (project / "submitted.sh").read_text().splitlines() if line.startswith("#SBATCH")}
    expected = ["array=0-63%16", "partition=long", "account=lab", "cpus-per-task=4", "mem=8GB", "gpus-per-node=1"]
    assert {f"#SBATCH --{option}" for option in [*expected, "time=90", "job-name=avr-frames"]} <= asked


def test_what_the_scheduler_refuses_is_said(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sbatch(project, monkeypatch, "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1")
    with pytest.raises(
        ParamsError, match=r"^sbatch: .*invalid partition specified: x; expected options that this clus"
    ):
        submit(["frames"], 2, SMALL, "logs")


def test_a_machine_that_submits_nothing_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project))
    with pytest.raises(ParamsError, match=r"^avr slurm: no sbatch and no srun here; expected a login node of a SLURM"):
        submit(["frames"], 2, SMALL, "logs")


def test_elsewhere_than_in_the_project_nothing_is_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamsError, match=rf"^{tmp_path}: no stages/run; expected the folder of the project$"):
        submit(["frames"], 2, SMALL, "logs", "local")


def test_without_submitit_the_extra_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ParamsError, match=r"^avr slurm: submitit is not installed; expected the extra `slurm`"):
        submit(["frames"], 2, SMALL, "logs", "local")


def test_an_option_without_a_value_is_refused(project: Path) -> None:
    done = CliRunner().invoke(app, ["slurm", "frames", "--shares", "2", "--option", "account"])
    assert str(done.exception) == "--option 'account'; expected NAME=VALUE, such as account=lab"
