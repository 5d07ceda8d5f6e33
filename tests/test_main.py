"""The command ``avr`` as a user types it, and its older names."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline.__main__ import app, main
from tests.helpers.project import ROOT

AVR = Path(sys.executable).with_name("avr")
HEAVY = ("torch", "torchvision", "tensorflow", "av", "numpy", "sklearn", "scipy", "h5py", "pyarrow", "matplotlib")
OLDER_NAMES = {
    "pipeline.weights": "avr weights",
    "pipeline.tune": "avr tune",
    "stages.export": "avr export",
    "pipeline.clip_jobs": "avr cache",
}
HELPS = """
import contextlib, io, json, sys
from pipeline.__main__ import main

commands, heavy = map(json.loads, sys.argv[1:])
found = []
for words in commands:
    before, said = set() if words == [] else set(sys.modules), io.StringIO()
    sys.argv = ["avr", *words, "--help"]
    with contextlib.redirect_stdout(said):
        main()
    found.append([said.getvalue(), [name for name in heavy if name in sys.modules and name not in before]])
print(json.dumps(found))
"""


def commands(command: Any, *words: str) -> Iterator[tuple[str, ...]]:  # noqa: ANN401 - typer keeps its own click
    """The words of every command and group below one."""
    yield words
    for name, part in getattr(command, "commands", {}).items():
        yield from commands(part, *words, name)


COMMANDS = list(commands(typer.main.get_command(app)))


def run(*words: str | Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "PYTHONPATH": str(ROOT), "AVR_CACHE_DIR": str(cwd / "cache")}
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, cwd=cwd, env=env)


def test_the_commands_are_these() -> None:
    assert {words[0] for words in COMMANDS if words} >= {"weights", "cache", "tune", "export"}
    assert {("weights", "list"), ("weights", "import"), ("cache", "stats"), ("cache", "prune")} <= set(COMMANDS)


@pytest.fixture(scope="module")
def helps(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], tuple[str, list[str]]]:
    """What each command says with --help, and the heavy libraries that it is the first to load, all in one process."""
    done = run(
        sys.executable, "-c", HELPS, json.dumps(COMMANDS), json.dumps(HEAVY), cwd=tmp_path_factory.mktemp("help")
    )
    assert done.returncode == 0, done.stderr
    return {words: (said, loaded) for words, (said, loaded) in zip(COMMANDS, json.loads(done.stdout), strict=True)}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_says_in_plain_text_what_a_command_is_for_and_loads_no_heavy_library(
    words: tuple[str, ...], helps: dict[tuple[str, ...], tuple[str, list[str]]]
) -> None:
    said, loaded = helps[words]
    lines = said.splitlines()
    assert lines[0].startswith(" ".join(["Usage: avr", *words]))
    assert len(lines[2]) > 20
    assert loaded == []
    assert said.isascii()
    assert "..." not in said.partition("\n")[2]  # no first sentence is cut


def test_every_option_has_a_meaning() -> None:
    parameters = [
        (words, parameter)
        for words in COMMANDS
        for parameter in command_of(words).params
        if parameter.name not in {"help"}
    ]
    assert [(words, parameter.name) for words, parameter in parameters if len(parameter.help or "") < 15] == []


def command_of(words: tuple[str, ...]) -> Any:  # noqa: ANN401 - typer keeps its own click
    command: Any = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    return command


def test_the_console_script_says_the_version(tmp_path: Path) -> None:
    assert run(AVR, "--version", cwd=tmp_path).stdout == f"avr {version('dual-subspace-retrieval')}\n"


@pytest.mark.parametrize(("module", "name"), OLDER_NAMES.items())
def test_an_older_name_is_the_same_command(module: str, name: str, tmp_path: Path) -> None:
    older = run(sys.executable, "-m", module, "--help", cwd=tmp_path).stdout
    newer = run(AVR, *name.split()[1:], "--help", cwd=tmp_path).stdout
    assert older.replace(f"python -m {module}", name).split() == newer.split()


@pytest.mark.parametrize(
    "words", [["tune", "features.safetensors", "out"], ["export", "out"], ["weights", "fetch"]], ids=" ".join
)
def test_outside_a_project_the_missing_file_is_named(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", ["avr", *words])
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # so that the program leaves Ctrl-C to these tests
    try:
        with pytest.raises(SystemExit) as end:  # whose text Python writes to stderr, and ends with code 1
            main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert end.value.code == (
        "avr: ParamsError: params.yaml: No such file or directory; expected a params file in the current folder"
    )
    assert list(tmp_path.iterdir()) == []


def test_what_needs_no_project_works_outside_of_one(tmp_path: Path) -> None:
    assert run(AVR, "cache", "stats", cwd=tmp_path).stdout.splitlines()[0] == str(tmp_path / "cache")
