"""An encoder on its way to others: a copy with its networks' weights, and repositories of a stand-in for the Hub."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from pipeline.encoder import Encoder
from pipeline.encoder.config import NotedNetwork
from pipeline.encoder.sharing import pack, pull
from pipeline.errors import DataError, ParamsError
from pipeline.weights import state_sha256
from tests.encoder.test_encoder import made_in
from tests.helpers.encoders import MadeEncoder
from tests.helpers.hub_server import Hub, hub_server
from tests.helpers.project import ROOT
from tests.helpers.tiny_vggish import tiny_state

FILES = ["README.md", "config.json", "model.safetensors"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeEncoder:
    return made_in(tmp_path_factory.mktemp("run"), "cca")


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with hub_server() as started:
        yield started


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def avr(hub: Hub, cwd: Path, *words: str | Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """The command as a user runs it, who has a token and no other network than the stand-in."""
    own = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_x", "HF_HOME": str(cwd / "hf"), "PYTHONPATH": str(ROOT)}
    own |= {"no_proxy": "127.0.0.1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", **env}
    command = [sys.executable, "-m", "pipeline", "encoder", *map(str, words)]
    return subprocess.run(command, cwd=cwd, env={**os.environ, **own}, capture_output=True, text=True, check=False)


def test_what_is_pushed_comes_back_by_a_pull_to_the_byte(made: MadeEncoder, hub: Hub, tmp_path: Path) -> None:
    (made.folder / "notes.txt").write_text("nobody else's business")
    pushed = avr(hub, tmp_path, "push", "me/encoder", "--encoder", made.folder, "--private")
    assert (pushed.returncode, pushed.stdout) == (0, f"{hub.url}/me/encoder\n"), pushed.stderr
    assert sorted(hub.repos["me/encoder"]) == FILES
    assert hub.private["me/encoder"]
    pulled = avr(hub, tmp_path, "pull", "me/encoder", "--encoder", "data/encoder")
    assert (pulled.returncode, pulled.stdout) == (0, "data/encoder: me/encoder\n"), pulled.stderr
    assert names(tmp_path / "data/encoder") == FILES
    for name in FILES:
        assert (tmp_path / "data/encoder" / name).read_bytes() == (made.folder / name).read_bytes()
    assert Encoder.load(tmp_path / "data/encoder").fingerprint == made.load().fingerprint
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["encoder"]


def test_a_pull_of_something_else_leaves_the_encoder_that_is_there(made: MadeEncoder, hub: Hub, tmp_path: Path) -> None:
    pack(made.folder, tmp_path / "encoder", with_weights=False)
    hub.repos["me/other"] = {"config.json": b"{}", "pytorch_model.bin": b"code"}
    pulled = avr(hub, tmp_path, "pull", "me/other", "--encoder", "encoder")
    assert pulled.returncode == 1
    assert pulled.stderr.splitlines()[-1].startswith("avr: DataError: me/other: config.json: format None; expected")
    assert names(tmp_path / "encoder") == FILES
    assert made.load().fingerprint == Encoder.load(tmp_path / "encoder").fingerprint


@pytest.mark.parametrize(
    ("words", "env", "message"),
    [
        (["pull", "me/none"], {}, "avr: ParamsError: me/none: .*404.*; expected a repository USER/NAME of the Hub"),
        (["pull", "no name at all"], {}, "avr: ParamsError: no name at all: Repo id must .*; expected a repository"),
        (
            ["pull", "me/encoder"],
            {"AVR_OFFLINE": "1"},
            "avr: ParamsError: me/encoder: AVR_OFFLINE=1; expected a network",
        ),
        (["push", "me/encoder"], {}, "avr: DataError: data/encoder/config.json: No such file or directory; expected"),
        (["pull", "me/x"], {"HF_ENDPOINT": "http://127.0.0.1:9"}, "avr: ParamsError: me/x: .*; expected a repository"),
    ],
)
def test_what_does_not_work_is_said_in_one_line(
    words: list[str], env: dict[str, str], message: str, hub: Hub, tmp_path: Path
) -> None:
    done = avr(hub, tmp_path, *words, **env)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.match(message, done.stderr.splitlines()[-1]), done.stderr
    assert not (tmp_path / "data").exists()


def test_a_copy_has_the_weights_of_the_networks(
    made: MadeEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tiny_state(monkeypatch)
    monkeypatch.setattr("pipeline.networks.vggish.random_weights.random_state", lambda seed: state)
    monkeypatch.setattr("pipeline.networks.inception.random_weights.random_state", lambda seed: state)
    config = made.load().config
    noted = {
        modality: NotedNetwork(name=n.name, params=n.params, facts=n.facts | {"sha256": state_sha256(state)})
        for modality, n in config.networks.items()
    }
    monkeypatch.setattr("pipeline.encoder.sharing.read_config", lambda _: config.model_copy(update={"networks": noted}))
    pack(made.folder, tmp_path / "out", with_weights=True)
    weights = ["weights/inception.safetensors", "weights/vggish.safetensors"]
    assert names(tmp_path / "out") == [*FILES, *weights]
    assert state_sha256(load_file(tmp_path / "out" / weights[0])) == state_sha256(state)
    assert "copied into `weights/`" in (tmp_path / "out/README.md").read_text()


def test_nothing_but_an_encoder_is_replaced(made: MadeEncoder, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    with pytest.raises(DataError, match=r"thesis: there is something else; expected an encoder to replace"):
        pack(made.folder, tmp_path / "thesis", with_weights=False)
    assert names(tmp_path) == ["thesis/chapter.tex"]
    (tmp_path / "link").symlink_to(tmp_path / "thesis")
    with pytest.raises(DataError, match=r"link: there is something else"):
        pack(made.folder, tmp_path / "link", with_weights=False)


def test_the_command_shows_what_an_encoder_is(made: MadeEncoder, hub: Hub, tmp_path: Path) -> None:
    done = avr(hub, tmp_path, "show", made.folder)
    assert done.stdout.splitlines() == [
        f"{made.folder}: cca, width {made.load().width}, seeds [0], 3 classes",
        "  audio: vggish, weights random, SHA-256 aaaaaaaaaaaa",
        "  visual: inception, weights random, SHA-256 bbbbbbbbbbbb",
        "  MAP 0.700 ± 0.020, chance 0.400",
        f"  fingerprint {made.load().fingerprint}",
    ]


def test_without_the_extra_a_line_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ParamsError, match=r"me/x: needs huggingface_hub; expected it: pip install -e '\.\[hub\]'"):
        pull("me/x", tmp_path / "encoder")
    assert list(tmp_path.iterdir()) == []
