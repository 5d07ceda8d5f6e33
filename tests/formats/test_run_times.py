"""What is noted of the run of a stage: a real program, with real workers, under the name that DVC gives it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline.formats.run_times import (
    END_BYTES,
    FILE,
    LARGEST_BYTES,
    MOST_STAGES,
    RunTime,
    device_in_words,
    note,
    run_times,
    sampled_sha256,
)
from tests.helpers.project import ROOT

STAGE = '''
"""Stage ``busy``: burns time in itself and in a worker."""
import time
from pathlib import Path

from stages.cli import run

def burn(_: int) -> float:
    while time.process_time() < 0.3:
        pass
    return time.process_time()

def main(word: str, out: Path) -> None:
    from pipeline.clip_jobs.engines.processes import run as in_workers
    out.mkdir()
    if word == "fail":
        raise ValueError(word)
    (_, seconds), = in_workers(burn, [1], 1, 60.0)
    (out / "burnt").write_text(str(seconds + burn(0)))

if __name__ == "__main__":
    run(main)
'''


def run(folder: Path, word: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the stage as `stages/run` does."""
    (folder / "busy.py").write_text(STAGE)
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", **environment}
    return subprocess.run([sys.executable, "busy.py", word, "out"], cwd=folder, env=env, capture_output=True, text=True)


def made(ended: float = 0.0, sha256: str = "", out: str = "out") -> RunTime:
    return RunTime(ended=ended, seconds=1.0, cpu_seconds=1.0, device="CPU", out=out, sha256=sha256)


def test_a_stage_notes_the_time_of_its_workers_too(tmp_path: Path) -> None:
    done = run(tmp_path, "go", DVC_STAGE="separation/dvc.yaml:busy@net")
    assert (done.returncode, done.stderr) == (0, "")
    ((name, noted),) = run_times(tmp_path).items()
    burnt = float((tmp_path / "out/burnt").read_text())
    assert name == "busy@net"
    assert burnt > 0.6  # half of it in the worker
    assert noted.cpu_seconds is not None
    assert burnt - 0.05 < noted.cpu_seconds < burnt + 60  # the system counts in hundredths, for each process
    assert noted.device.startswith("CPU, ")
    assert noted.is_of(tmp_path)


def test_what_dvc_does_not_run_and_what_fails_notes_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, "go", DVC_STAGE="").returncode == 0
    (tmp_path / "out/burnt").unlink()
    (tmp_path / "out").rmdir()
    assert run(tmp_path, "fail", DVC_STAGE="busy").returncode == 1
    assert not (tmp_path / FILE).exists()


def test_files_of_other_content_are_not_those_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "out/below").mkdir(parents=True)
    small, large = tmp_path / "out/small", tmp_path / "out/below/large"
    small.write_bytes(b"")
    large.write_bytes(bytes(5 * END_BYTES))
    noted = made(sha256=sampled_sha256(tmp_path / "out"))
    for path in (small, large):
        os.utime(path, ns=(0, 7))  # DVC writes a file anew that its cache has
    assert noted.is_of(tmp_path)
    for place in (0, END_BYTES - 1, 4 * END_BYTES, 5 * END_BYTES - 1):
        data = bytearray(5 * END_BYTES)
        data[place] = 1
        large.write_bytes(data)
        assert not noted.is_of(tmp_path)
    large.write_bytes(bytes(5 * END_BYTES))
    assert noted.is_of(tmp_path)
    small.rename(tmp_path / "out/smaller")
    assert not noted.is_of(tmp_path)
    assert not made(out="nothing").is_of(tmp_path)


def test_the_file_holds_the_last_run_of_each_stage_and_the_oldest_stages_go(tmp_path: Path) -> None:
    path = tmp_path / FILE
    note(path, {str(number): made(ended=number) for number in range(MOST_STAGES)})
    note(path, {"0": made(ended=10_000), "new": made(ended=20_000)})
    found = run_times(tmp_path)
    assert len(found) == MOST_STAGES
    assert (found["0"].ended, "1" in found, "2" in found, "new" in found) == (10_000, False, True, True)
    assert path.stat().st_size < LARGEST_BYTES


@pytest.mark.parametrize("text", ["{", '{"a": 1}', '{"a": {"seconds": -1}}', " " * (LARGEST_BYTES + 1)])
def test_a_damaged_file_counts_as_none(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / FILE).write_text(text)
    assert run_times(tmp_path) == {}
    assert "it only says how long stages took, and the run goes on without it" in capsys.readouterr().err
    note(tmp_path / FILE, {"a": made()})
    assert run_times(tmp_path) == {"a": made()}


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_GPU") != "1", reason="no CUDA device"
)
def test_a_stage_that_used_a_gpu_names_it() -> None:
    torch.zeros(1, device="cuda")
    assert device_in_words() == torch.cuda.get_device_name()
