"""`avr index` and `avr search` as a user types them, on a run with clips of imported vectors and no network."""

import json
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.errors import DataError, ParamsError
from pipeline.search.index import Index
from tests.helpers.search_run import SearchRun

pytestmark = pytest.mark.usefixtures("_elsewhere")


@pytest.fixture
def place(finished: SearchRun, tmp_path: Path) -> Path:
    """A folder in which the run has ended: links to what it wrote."""
    (tmp_path / "data").mkdir()
    for path in finished.data.iterdir():
        (tmp_path / "data" / path.name).symlink_to(path)
    (tmp_path / "data/encoder").symlink_to(finished.made.folder)
    return tmp_path


def avr(*words: str, exit_code: int = 0) -> str:
    """What a command prints, and on stderr; errors that the user meets pass."""
    done = CliRunner().invoke(app, list(words))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == exit_code, done.output
    return done.output


def test_a_run_is_indexed_asked_described_and_shortened(place: Path) -> None:
    assert avr("index", "build") == "data/index: 45 rows of 45 clips\n"
    *lines, last = avr("search", "clip:clip 5", "--top", "3", "--where", "split = 'test'").splitlines()
    assert len(lines) == 4
    assert last.startswith("cca, 45 rows, ")
    found = json.loads(avr("search", "clip:clip 5", "--json", "--find", "sound", "--query", "pictures"))
    assert [result["modality"] for result in found["results"]] == ["audio"] * 10
    assert avr("search", "clip:clip 5", "--csv", "--top", "2").count("\n") == 3
    assert "45 of 45 clips, 45 with sound, 45 with pictures; a row is a whole clip" in avr("index", "stats")
    assert avr("index", "remove", "clip 1", "clip 2") == "data/index: 2 rows removed\n"
    assert avr("index", "remove", "--where", "label = 'moo'") == "data/index: 14 rows removed\n"
    assert len(Index.open("data/index")) == 29


def test_windows_are_chosen_at_the_build(place: Path) -> None:
    assert avr("index", "build", "--window", "2").startswith("data/index: ")
    assert "; a row is 2 s of a clip" in avr("index", "stats")
    assert "#t=" in avr("search", "clip:clip 3")
    with pytest.raises(ParamsError, match=r"--window 0; expected 0\.1 seconds or more"):
        avr("index", "build", "--window", "0")


def test_a_refused_file_is_named_and_the_exit_code_is_one(place: Path) -> None:
    avr("index", "build")
    (place / "new").mkdir()
    Path(os.fsdecode(bytes(place / "new") + b"/bad \xff.mp4")).touch()
    said = avr("index", "add", "new", exit_code=1)
    assert "bad \\udcff.mp4: the bytes of its name are no UTF-8" in said
    assert "data/index: 0 rows of 0 files added, 1 refusals" in said


def test_a_file_that_is_there_is_told(place: Path, finished: SearchRun) -> None:
    avr("index", "build")
    assert "3 files were there already, 0 refusals" in avr("index", "add", str(finished.videos))


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["search", "clip:x"], DataError, "data/index: no index; expected an index"),
        (["index", "stats"], DataError, "no index"),
        (["index", "add", "."], DataError, "no index"),
        (["index", "remove", "x"], DataError, "no index"),
        (["index", "remove", "--where", "label = ''"], DataError, "no index"),
        (["index", "remove"], ParamsError, "remove: expected either ids of clips or --where"),
        (["index", "remove", "a", "--where", "b"], ParamsError, "expected either"),
        (["search", "clip:x", "--json", "--csv"], ParamsError, "expected one of them"),
    ],
)
def test_what_cannot_be_done_costs_one_line(
    place: Path, words: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        avr(*words)
    assert len(str(caught.value).splitlines()) == 1
    assert not Path("data/index").exists()  # nor the lock file of a writer


def test_the_first_result_is_opened(place: Path, finished: SearchRun, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(typer, "launch", opened.append)
    avr("index", "build")
    avr("search", "clip:clip 0", "--open", "--where", "clip_id = 'clip 1'")
    assert opened == [str(finished.videos / "meow/1.mp4")]
    assert Path(opened[0]).exists()
