"""`avr weights import`: what it notes, what it says to write into params.yaml, and that this is enough."""

from pathlib import Path

import pytest
import torch

from pipeline.errors import ParamsError
from pipeline.weights import __main__ as command_line
from pipeline.weights import check_random_allowed, state_sha256
from pipeline.weights.records import read_record
from pipeline.weights.store import import_file, kept_files, load_or_make
from tests.helpers import tiny_inception, tiny_vggish
from tests.helpers.tiny_vggish import no_random_state

LICENCE, URL = "CC BY 4.0", "https://example.org/networks"


@pytest.fixture(autouse=True)
def weights_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny VGGish as a user's torch file."""
    torch.save(tiny_vggish.tiny_state(monkeypatch), tmp_path / "mine.pth")
    return tmp_path / "mine.pth"


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr("sys.argv", ["weights", "import", *words])
    command_line.main()


def noted() -> tuple[str, str]:
    """Licence and address in the record of the only set."""
    (kept,) = kept_files()
    record = read_record(kept)
    return record["licence"], record["url"]


def test_licence_and_address_are_noted_and_become_facts_of_the_network(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, str(file), "--network", "vggish", "--licence", LICENCE, "--url", URL)
    assert noted() == (LICENCE, URL)
    _, facts = load_or_make("vggish", str(file), 0, no_random_state)
    assert (facts["licence"], facts["url"]) == (LICENCE, URL)


def test_what_is_noted_is_replaced_where_it_is_said_again_and_only_there(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_file("vggish", file)
    assert noted() == ("unknown", "")
    run(monkeypatch, str(file), "--network", "vggish", "--licence", LICENCE, "--url", URL)
    run(monkeypatch, str(file), "--network", "vggish")
    assert noted() == (LICENCE, URL)


def test_the_line_that_it_prints_names_the_weights_when_their_file_is_gone(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = state_sha256(torch.load(file))
    run(monkeypatch, str(file))
    printed = capsys.readouterr().out
    file.unlink()
    assert printed.splitlines()[1] == "write into params.yaml, section vggish:"
    name = printed.splitlines()[2].removeprefix("  weights: ")
    check_random_allowed("vggish", name, False, source="folder")
    state, facts = load_or_make("vggish", name, 0, no_random_state)
    assert state_sha256(state) == digest
    assert facts["weights"] == name
    with pytest.raises(
        ParamsError, match=r"inception\.weights: 'mine-\w{12}' is unknown; .* the name of imported weig"
    ):
        check_random_allowed("inception", name, False, source="folder")


def test_weights_from_keras_want_its_pools_and_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = tiny_inception.keras_arrays(tiny_inception.tiny_state(monkeypatch))
    tiny_inception.save_tfjs(tmp_path / "model", arrays)
    run(monkeypatch, str(tmp_path / "model"), "--network", "inception")
    (kept,) = kept_files()
    assert capsys.readouterr().out == (
        f"{tmp_path / 'model'}: {kept}\n"
        "write into params.yaml, section inception:\n"
        f"  weights: {kept.name.split('.')[1]}\n"
        "  average_pool: tensorflow\n"
    )


@pytest.mark.parametrize("words", [["--network", "inception"], ["--licence", LICENCE], ["--url", URL]])
def test_a_published_file_is_of_its_own_network_and_has_its_own_licence(
    file: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    published = file.rename(file.with_name("vggish-10086976.pth"))
    with pytest.raises(
        SystemExit, match=r"the file of vggish\.weights=torchvggish, from https://github\.com.*; expected"
    ):
        run(monkeypatch, str(published), *words)


def test_a_network_that_there_is_not_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"network 'vgg': no such network; expected one of"):
        run(monkeypatch, str(file), "--network", "vgg")
