"""What a kill leaves in the folder of weights: the next save removes it, and so does the command."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import save_file

from pipeline.weights import __main__ as command_line
from pipeline.weights.store import import_file, kept_files
from pipeline.weights.unfinished import remove_unfinished, unfinished_folder
from tests.helpers.tiny_vggish import tiny_state

WORK = """
import sys, time
from pipeline.weights.unfinished import unfinished_folder
with unfinished_folder(sys.argv[1]) as folder:
    (folder / "half").write_text("half of it")
    print("working", flush=True)
    time.sleep(1000)
"""
SAVE_AND_DIE = """
import os, signal, sys
from pathlib import Path
replace, n_left = Path.replace, [int(sys.argv[2])]
def die_at_the_last(path, target):
    n_left[0] -= 1
    if n_left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(path, target)
Path.replace = die_at_the_last
from pipeline.weights.store import import_file
from tests.helpers.tiny_vggish import tiny_state
import pytest
with pytest.MonkeyPatch.context() as patch:
    tiny_state(patch)
    import_file("vggish", sys.argv[1])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def worker(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that is at work in the folder."""
    with subprocess.Popen([sys.executable, "-c", WORK, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        yield process
        process.kill()


def test_the_folder_of_a_running_process_stays_and_that_of_a_killed_one_goes(
    folder: Path, worker: "subprocess.Popen[str]"
) -> None:
    assert remove_unfinished(folder) == []
    (its_own,) = folder.iterdir()
    worker.kill()
    worker.wait()
    assert remove_unfinished(folder) == [its_own]
    assert list(folder.iterdir()) == []


def test_the_next_save_removes_what_a_killed_one_left(folder: Path, worker: "subprocess.Popen[str]") -> None:
    worker.kill()
    worker.wait()
    with unfinished_folder(folder) as mine:
        assert list(folder.iterdir()) == [mine]
    assert list(folder.iterdir()) == []


@pytest.fixture(scope="module", params=[0, 1], ids=["before its note", "between its note and its tensors"])
def killed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights, and the folder ``weights`` as a save of it left it that was killed behind so many steps."""
    made, n_done = tmp_path_factory.mktemp("killed"), request.param
    with pytest.MonkeyPatch.context() as patch:
        save_file(tiny_state(patch), made / "mine.safetensors")
    command = [sys.executable, "-c", SAVE_AND_DIE, str(made / "mine.safetensors"), str(n_done)]
    env = {**os.environ, "AVR_WEIGHTS_DIR": str(made / "weights")}
    assert subprocess.run(command, cwd=Path(__file__).parents[2], env=env).returncode == -9
    assert len(list((made / "weights").iterdir())) == n_done + 1
    return made


@pytest.mark.parametrize("again", ["prune", "save"])
def test_a_save_that_is_killed_leaves_nothing_that_stays(
    killed: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    tiny_state(monkeypatch)
    shutil.copytree(killed / "weights", folder)
    if again == "prune":
        monkeypatch.setattr("sys.argv", ["weights", "prune"])
        command_line.main()
        assert list(folder.iterdir()) == []
    else:
        import_file("vggish", killed / "mine.safetensors")
        (kept,) = kept_files()
        assert sorted(folder.iterdir()) == [kept.with_suffix(".json"), kept]


def test_the_command_says_how_much_it_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir()
    (folder / "vggish.lost.json").write_text("{}")
    monkeypatch.setattr("sys.argv", ["weights", "prune"])
    command_line.main()
    assert capsys.readouterr().out == f"{folder}: removed 1 left over files and folders\n"
