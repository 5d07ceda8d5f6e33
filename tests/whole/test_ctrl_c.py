"""Ctrl-C as a user presses it on a terminal, where it reaches DVC, the stage and all of its workers at once."""

import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.helpers.project import MODELS, RANDOM_WEIGHTS, Project, computed, write_params, write_videos
from tests.helpers.terminal import Terminal
from tests.helpers.tune_search import table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
N_CLIPS = 210  # a stage is at some of them for a second or more, however late a key is pressed
GO_ON = "stopped by Ctrl-C; run the same command again"
ENV = {name: value for name, value in os.environ.items() if name != "AVR_PROGRESS"} | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project on a folder of videos whose first stage has run."""
    folder = tmp_path_factory.mktemp("project")
    made = Project(folder / "clone", folder / "cache")
    videos = write_videos(folder / "videos", n_classes=3, clips_per_class=N_CLIPS // 3)
    write_params(made.folder, {"dataset": {"source": "folder", "path": str(videos)}, **RANDOM_WEIGHTS})
    made.env |= {"AVR_WORKERS": "1", "AVR_WEIGHTS_DIR": str(folder / "weights")}
    made.env.pop("AVR_PROGRESS", None)
    made.dvc("repro", "dataset")
    return made


def repro(project: Project) -> Terminal:
    return Terminal([sys.executable, "-m", "dvc", "repro", "features"], project.folder, project.env)


def entries(project: Project, stage: str) -> int:
    return len(list(Path(project.env["AVR_CACHE_DIR"]).glob(f"clips/{stage}/*/*.safetensors")))


def assert_one_line(terminal: Terminal, code: int) -> None:
    assert terminal.end() == code, terminal.shown
    assert "Traceback" not in terminal.shown
    assert "Error:" not in terminal.shown
    assert terminal.shown.count(GO_ON) == 1, terminal.shown


@pytest.mark.parametrize(("name", "words", "stage"), [("logmel",) * 3, ("network@vggish", "network vggish", "vggish")])
def test_a_repro_that_is_interrupted_in_its_work_says_how_to_go_on_and_goes_on(
    project: Project, name: str, words: str, stage: str
) -> None:
    terminal = repro(project)
    terminal.read_until(f"> stages/run {words} ")
    while not entries(project, stage):
        time.sleep(0.001)
    terminal.press_ctrl_c()
    assert_one_line(terminal, 255)
    assert re.search(rf"stage \d of \d+, {name}\r\n\r +\d+%\|.*\| \d+/{N_CLIPS} \[", terminal.shown)
    n_kept = entries(project, stage)
    again = project.dvc("repro", name)
    assert not re.search(r"[\r\x1b]|Traceback", again)  # it has no terminal
    assert computed(again).get(stage, 0) == N_CLIPS - n_kept


def test_a_stage_that_is_interrupted_while_it_loads_its_libraries_says_so_too(project: Project) -> None:
    terminal = Terminal([sys.executable, "-m", "dvc", "repro", "-f", "-s", "frames"], project.folder, project.env)
    terminal.read_until("> stages/run frames ")
    time.sleep(0.5)  # frames loads torch for seconds, and so does the process of its workers
    terminal.press_ctrl_c()
    assert_one_line(terminal, 255)
    assert "frames: stopped by Ctrl-C" in terminal.shown


@pytest.mark.parametrize("seconds", [0, 0.02, 0.05])
def test_pressed_twice_it_leaves_no_traceback_and_the_next_run_goes_on(project: Project, seconds: float) -> None:
    """Without DVC, which takes a second press that comes behind the stage's end for its own, with a traceback."""
    shutil.rmtree(Path(project.env["AVR_CACHE_DIR"]) / "clips" / "frames", ignore_errors=True)
    terminal = Terminal(["stages/run", "frames", "data/clips.csv", "data/frames"], project.folder, project.env)
    terminal.read_until("\r  0%")
    terminal.press_ctrl_c()
    time.sleep(seconds)
    terminal.press_ctrl_c()
    assert_one_line(terminal, 130)
    n_kept = entries(project, "frames")
    assert computed(project.dvc("repro", "-f", "-s", "frames")) == {"frames": N_CLIPS - n_kept}


def test_a_search_ends_with_its_workers(tmp_path: Path) -> None:
    write_params(tmp_path, {"model": {"epochs": 100000, "seeds": [0]}})
    table().save(tmp_path / "features.safetensors")
    words = ["features.safetensors", "out", next(iter(MODELS)), "--trials", "4"]
    terminal = Terminal([sys.executable, "-m", "pipeline.tune", *words], tmp_path, {**ENV, "AVR_WORKERS": "2"})
    while len(threads := children_of(terminal.process_id)) < 3:  # two workers, and Python's own for shared resources
        time.sleep(0.01)
    time.sleep(3)  # they train
    terminal.press_ctrl_c()
    assert_one_line(terminal, 130)
    assert "tune: stopped by Ctrl-C" in terminal.shown
    deadline = time.monotonic() + 30
    while any(Path("/proc", str(number)).exists() for number in threads):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def children_of(process_id: int) -> list[int]:
    """Processes that one has started."""
    text = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    return [int(number) for number in text.split()]


class _Stalls(BaseHTTPRequestHandler):
    """Sends a part of a file, and then nothing."""

    has_begun = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000000")
        self.end_headers()
        self.wfile.write(bytes(1 << 21))
        self.wfile.flush()
        self.has_begun.set()
        time.sleep(20)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stalling_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Stalls)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/weights.pth"
    server.shutdown()


def test_a_download_ends_and_leaves_no_part_of_a_file(tmp_path: Path, stalling_server: str) -> None:
    code = f"""
import dataclasses, runpy, sys
from pipeline.weights.sources import SOURCES
SOURCES["imagenet1k_v1"] = dataclasses.replace(SOURCES["imagenet1k_v1"], url={stalling_server!r})
sys.argv = ["weights", "fetch", "imagenet1k_v1"]
runpy.run_module("pipeline.weights", run_name="__main__")
"""
    env = {**ENV, "AVR_WEIGHTS_DIR": str(tmp_path / "weights"), "no_proxy": "127.0.0.1", "AVR_OFFLINE": ""}
    terminal = Terminal([sys.executable, "-c", code], tmp_path, env)
    assert _Stalls.has_begun.wait(60)
    time.sleep(0.5)
    terminal.press_ctrl_c()
    assert_one_line(terminal, 130)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
