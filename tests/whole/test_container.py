"""What the Dockerfile does, step by step in a clean folder, as far as that needs no daemon and no network."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pathspec
import pytest

from tests.helpers.project import ROOT

BIN = Path(sys.executable).parent
HADOLINT = shutil.which("hadolint", path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
ARGUMENTS = {"CPU": "1", "UID": "1000"}


class Step(NamedTuple):
    """An instruction of the Dockerfile, its continued lines in one."""

    word: str
    rest: str

    @property
    def sources(self) -> list[str]:
        """What a COPY copies from the project."""
        return [word for word in self.rest.split()[:-1] if not word.startswith("--")]


def read_steps() -> list[Step]:
    """The instructions of the Dockerfile in their order."""
    lines = (line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines() if line]


STEPS = read_steps()
LAST_USER = max(number for number, step in enumerate(STEPS) if step.word == "USER")


def steps_of(word: str) -> list[str]:
    return [step.rest for step in STEPS if step.word == word]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with one commit of the files as they are here, and with what earlier runs leave behind in a folder."""
    folder = tmp_path_factory.mktemp("clone")
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        git(folder, *words)
    for name in ("data/clips.csv", ".venv/bin/python", ".dvc/cache/files/a", "pipeline/__pycache__/a.pyc", "report/a"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def build_context(folder: Path) -> list[str]:
    """The files that a builder sees of a folder: .dockerignore's patterns begin at the root, unlike git's."""
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    rooted = [f"/{pattern}" for pattern in patterns if pattern and not pattern.startswith("#")]
    left_out = pathspec.GitIgnoreSpec.from_lines(rooted)
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [name for name in files if not left_out.match_file(name)]


def copied(step: Step, context: list[str]) -> set[str]:
    """The files of the build context that a COPY takes."""
    return {
        name
        for name in context
        for source in step.sources
        if source == "." or name == source or name.startswith(f"{source}/")
    }


def copy(step: Step, clone: Path, image: Path) -> None:
    """Do what a COPY does."""
    target = image / step.rest.split()[-1]
    for name in copied(step, build_context(clone)):
        place = target / (name if step.sources == ["."] else Path(name).name)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(clone / name, place)


def make(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", "--dry-run", *words], cwd=folder, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def image(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder /app as it is after the last step, with this environment in place of a new one."""
    folder = tmp_path_factory.mktemp("image")
    for step in STEPS:
        if step.word == "COPY":
            copy(step, clone, folder)
        elif step.word == "RUN" and "make install" in step.rest:
            (folder / ".venv").mkdir()
            (folder / ".venv" / "bin").symlink_to(BIN)
            for name in ("cpu-builds", "installed"):
                (folder / ".venv" / name).touch()
    return folder


@pytest.mark.skipif(HADOLINT is None, reason="no hadolint: the option `test` brings it")
def test_the_linter_of_dockerfiles_has_nothing_to_say() -> None:
    done = subprocess.run([str(HADOLINT), "--no-color", "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_image_is_named_to_its_last_digit() -> None:
    (base,) = steps_of("FROM")
    assert re.fullmatch(r"python:3\.1[123]\.\d+-slim-\w+", base)


def test_every_file_that_is_copied_is_there_and_not_left_out(clone: Path) -> None:
    context = build_context(clone)
    for step in (step for step in STEPS if step.word == "COPY"):
        assert [source for source in step.sources if not copied(Step("COPY", f"{source} ./"), context)] == []


def test_an_image_holds_all_tracked_files_and_git_and_nothing_that_a_run_left(clone: Path, image: Path) -> None:
    assert git(image, "status", "--porcelain", "--ignored") == "!! .venv/\n"
    assert git(image, "rev-parse", "HEAD") == git(clone, "rev-parse", "HEAD")


def test_what_is_run_after_root_has_left_needs_no_root() -> None:
    assert [step.rest for step in STEPS[: LAST_USER - 1] if step.word == "USER"] == []
    user = STEPS[LAST_USER].rest
    assert user == "$UID"
    assert int(ARGUMENTS["UID"]) > 0
    assert "UID=1000" in steps_of("ARG")
    later = [step for step in STEPS[LAST_USER:] if step.word == "RUN"]
    assert [step.rest for step in later if re.search(r"\b(apt-get|sudo|su|chown|useradd)\b", step.rest)] == []
    assert all("--chown=avr:avr" in step.rest for step in STEPS if step.word == "COPY")


def test_the_folders_of_the_volumes_are_the_users() -> None:
    (volumes,) = steps_of("VOLUME")
    (owned,) = (rest.partition("--group avr ")[2] for rest in steps_of("RUN") if "--group avr" in rest)
    assert set(re.findall(r'"([^"]+)"', volumes)) <= set(owned.split())


def test_every_argument_has_a_default_that_this_test_knows() -> None:
    assert dict(rest.split("=") for rest in steps_of("ARG")) == ARGUMENTS


@pytest.mark.parametrize("rest", steps_of("RUN"))
def test_every_step_is_a_script_that_the_shell_can_read(rest: str) -> None:
    assert subprocess.run(["sh", "-n", "-c", rest], capture_output=True, text=True).stderr == ""


def test_the_step_that_installs_finds_all_it_needs_in_the_files_copied_before(clone: Path, tmp_path: Path) -> None:
    install = next(number for number, step in enumerate(STEPS) if "make install" in step.rest)
    for step in STEPS[:install]:
        if step.word == "COPY":
            copy(step, clone, tmp_path)
    (call,) = re.findall(r"make (install .*?) &&", STEPS[install].rest)
    words = shlex.split(call.replace("$CPU", ARGUMENTS["CPU"]))
    done = make(tmp_path, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--torch-backend cpu" in done.stdout
    assert "--torch-backend cpu" not in make(tmp_path, *(word.replace("CPU=1", "CPU=0") for word in words)).stdout


def test_a_run_in_the_image_installs_nothing(image: Path) -> None:
    done = make(image, "repro")
    assert done.stdout.splitlines()[0] == ".venv/bin/dvc repro"
    assert done.stderr == ""


def test_the_last_step_finds_the_stages_and_the_commit(image: Path) -> None:
    (last,) = (rest for rest in steps_of("RUN") if "rev-parse" in rest)
    done = subprocess.run(["sh", "-c", last], cwd=image, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_without_its_git_is_refused(image: Path, tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere/.git/worktrees/a\n")
    (last,) = (rest for rest in steps_of("RUN") if "rev-parse" in rest)
    done = subprocess.run(["sh", "-c", last], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "not a git repository" in done.stderr


def test_what_a_container_starts_is_a_command_of_the_project(tmp_path: Path) -> None:
    (started,) = steps_of("CMD")
    words = re.findall(r'"([^"]+)"', started)
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*words, "--help"], cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.stdout.startswith(f"Usage: {words[0]} {words[1]}")
    refused = subprocess.run(words, cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "AVR_TOKEN" in refused.stderr


def test_an_environment_made_from_two_empty_packages_finds_the_code_that_comes_later(
    clone: Path, image: Path, tmp_path: Path
) -> None:
    install = next(number for number, step in enumerate(STEPS) if "make install" in step.rest)
    app = tmp_path / "app"
    for step in STEPS[:install]:
        if step.word == "COPY":
            copy(step, clone, app)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    (site,) = (tmp_path / "env" / "lib").glob("*/site-packages")
    (packages,) = (path for path in map(Path, sys.path) if path.name == "site-packages")
    (site / "these.pth").write_text(f"{packages}\n")
    words = ["pip", "install", "-q", "--offline", "--no-deps", "--no-build-isolation", "--python", python, "-e", app]
    subprocess.run([BIN / "uv", *words], check=True)
    shutil.copytree(image / "pipeline", app / "pipeline", dirs_exist_ok=True)
    code = "import pipeline.retrieval; print(pipeline.retrieval.__file__)"
    found = subprocess.run([python, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()).is_relative_to(app)
