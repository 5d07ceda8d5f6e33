"""Environment variables: their names with and without the prefix, folders, switches."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ParamsError
from pipeline.settings.environment import (
    ALSO_WITHOUT_PREFIX,
    cache_folder,
    cache_url,
    finished_clips,
    flag,
    variable,
    weights_folder,
)
from tests.helpers.project import ROOT

FOLDERS = [("AVR_CACHE_DIR", cache_folder), ("AVR_WEIGHTS_DIR", weights_folder)]


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALSO_WITHOUT_PREFIX:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"AVR_{name}", raising=False)


def said_by(code: str, **variables: str) -> tuple[str, str]:
    """Both outputs of a process with these variables."""
    done = subprocess.run(
        [sys.executable, "-c", f"from pipeline.settings.environment import variable\n{code}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, **variables},
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("name", ALSO_WITHOUT_PREFIX)
def test_the_old_name_works_and_a_line_says_so_once(name: str) -> None:
    out, err = said_by(f"print(variable('AVR_{name}'), variable('AVR_{name}'))", **{name: "x"})
    assert out == "x x\n"
    assert err == f"{name} is an old name and still works; its name is AVR_{name}\n"


@pytest.mark.parametrize("name", ALSO_WITHOUT_PREFIX)
def test_of_both_names_the_new_one_wins_without_a_word(name: str) -> None:
    assert said_by(f"print(variable('AVR_{name}'))", **{name: "old", f"AVR_{name}": "new"}) == ("new\n", "")


@pytest.mark.parametrize("name", ALSO_WITHOUT_PREFIX)
def test_an_empty_value_counts_as_not_set(name: str) -> None:
    assert said_by(f"print(variable('AVR_{name}'))", **{name: "old", f"AVR_{name}": ""})[0] == "old\n"
    assert said_by(f"print(variable('AVR_{name}'))", **{name: "", f"AVR_{name}": ""}) == ("\n", "")


def test_a_variable_that_never_had_an_old_name_is_read_by_its_full_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROGRESS", "none")
    assert variable("AVR_PROGRESS") == ""


@pytest.mark.parametrize(("text", "is_on"), [("1", True), ("0", False), ("", False)])
def test_a_switch_is_1_or_0(monkeypatch: pytest.MonkeyPatch, text: str, is_on: bool) -> None:
    monkeypatch.setenv("AVR_OFFLINE", text)
    assert flag("AVR_OFFLINE") is is_on


def test_a_switch_that_says_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_OFFLINE", "yes")
    with pytest.raises(ParamsError, match=r"^AVR_OFFLINE='yes'; expected 1 or 0$"):
        flag("AVR_OFFLINE")


@pytest.mark.parametrize(("name", "folder"), FOLDERS)
def test_a_folder_is_the_one_that_is_named_absolute_and_with_the_home_filled_in(
    name: str, folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    for text, path in ((str(tmp_path), tmp_path), ("a/b", Path.cwd() / "a/b"), ("~/c", Path("/home/somebody/c"))):
        monkeypatch.setenv(name, text)
        assert folder() == path


@pytest.mark.parametrize(("name", "folder"), FOLDERS)
def test_the_home_of_nobody_is_refused(name: str, folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "~nobody-of-this-name/c")
    with pytest.raises(ParamsError, match=rf"^{name}='~nobody-of-this-name/c': .*; expected a folder$"):
        folder()


@pytest.mark.parametrize(("name", "folder"), FOLDERS)
@pytest.mark.parametrize("kind", ["file", "loop"])
def test_what_is_no_folder_is_refused(
    name: str, folder: Callable[[], Path], kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv(name, str(tmp_path / kind))
    with pytest.raises(
        ParamsError, match=rf"^{name}='.*/{kind}': no folder, but something else of that name; expected a"
    ):
        folder()


def test_a_url_is_where_finished_clips_are_and_all_else_stays_with_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("AVR_CACHE_DIR", "s3://bucket/prefix/")
    assert cache_url() == "s3://bucket/prefix"
    assert finished_clips("logmel") == "s3://bucket/prefix/clips/logmel"
    assert cache_folder() == tmp_path / "dual-subspace-retrieval"
    for text in (str(tmp_path / "c"), f"file://{tmp_path}/c"):
        monkeypatch.setenv("AVR_CACHE_DIR", text)
        assert (cache_url(), cache_folder()) == ("", tmp_path / "c")
        assert finished_clips("logmel") == f"{tmp_path}/c/clips/logmel"


@pytest.mark.parametrize("text", ["http://host/cache", "memory://cache", "s3://", "s3:///", "ftp://x"])
def test_a_url_of_no_object_store_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_CACHE_DIR", text)
    for asked in (cache_url, cache_folder, lambda: finished_clips("logmel")):
        with pytest.raises(ParamsError, match=rf"^AVR_CACHE_DIR='{text}'; expected a folder.*"):
            asked()


def test_weights_lie_in_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_WEIGHTS_DIR", "s3://bucket/weights")
    with pytest.raises(ParamsError, match=r"^AVR_WEIGHTS_DIR='s3://bucket/weights'; expected a folder$"):
        weights_folder()


NO_HOME = """
import os, sys
from pipeline.settings import environment
os.setuid(54321)  # a user that no file of the system knows, as in a container
for name in ("cache_folder", "weights_folder"):
    try:
        getattr(environment, name)()
    except Exception as error:
        print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_without_a_home_is_told_to_name_a_folder() -> None:
    variables = {name: text for name, text in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    command = [sys.executable, "-c", NO_HOME]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=variables, check=True)
    assert done.stdout.splitlines() == [
        f"ParamsError {name} is not set, and this user has no home; expected a folder in {name}"
        for name in ("AVR_CACHE_DIR", "AVR_WEIGHTS_DIR")
    ]


def test_without_a_name_the_folders_are_in_the_user_s_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "dual-subspace-retrieval"
    assert weights_folder() == tmp_path / "dual-subspace-retrieval" / "weights"


@pytest.mark.parametrize("home", ["", "relative", "~/cache"])
def test_a_relative_xdg_cache_home_does_not_count(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    assert cache_folder() == Path.home() / ".cache" / "dual-subspace-retrieval"
    assert weights_folder() == cache_folder() / "weights"


def test_nobody_else_reads_these_variables() -> None:
    names = [
        f"{quote}{prefix}{name}{quote}" for name in ALSO_WITHOUT_PREFIX for prefix in ("", "AVR_") for quote in "'\""
    ]
    readers = {
        path.relative_to(ROOT).as_posix()
        for folder in ("pipeline", "stages")
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if ("environ" in line or "getenv" in line) and any(name in line for name in names)
    }
    assert readers == set()
