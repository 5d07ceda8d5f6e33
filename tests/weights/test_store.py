"""The folder of weights: fetching, keeping, checking, and the command line."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from pipeline.errors import DataError, ParamsError
from pipeline.weights import __main__ as command_line
from pipeline.weights import kept_file, state_sha256
from pipeline.weights.sources import SOURCES
from pipeline.weights.store import fetch, import_file, kept_files, load_or_make, read
from tests.helpers.tiny_vggish import State, no_random_state, tiny_state


@pytest.fixture(autouse=True)
def weights_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.delenv("AVR_OFFLINE", raising=False)
    return tmp_path / "weights"


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> State:
    return tiny_state(monkeypatch)


@pytest.fixture
def file(state: State, tmp_path: Path) -> Path:
    """A tiny VGGish as a user's torch file."""
    torch.save(state, tmp_path / "mine.pth")
    return tmp_path / "mine.pth"


def assert_nothing_is_left(folder: Path) -> None:
    assert not folder.exists() or list(folder.iterdir()) == []


def test_a_users_file_becomes_one_safetensors_file_and_a_record_of_what_it_was(state: State, file: Path) -> None:
    loaded, facts = load_or_make("vggish", str(file), 0, no_random_state)
    (kept,) = kept_files()
    record = json.loads(kept.with_suffix(".json").read_text())
    assert loaded.keys() == state.keys()
    assert all(torch.equal(load_file(kept)[name], value) for name, value in state.items())
    keys = {"set", "source", "url", "sha256", "state_sha256", "licence", "date", "converter", "note_sha256"}
    assert record.keys() == keys
    assert facts["weights"] == kept.name.split(".")[1]
    assert facts["sha256"] == record["state_sha256"] == state_sha256(state)


def test_a_converted_file_is_not_read_again_and_a_changed_one_is(state: State, file: Path) -> None:
    load_or_make("vggish", str(file), 0, no_random_state)
    written = kept_files()[0].stat().st_mtime_ns
    load_or_make("vggish", str(file), 0, no_random_state)
    assert kept_files()[0].stat().st_mtime_ns == written
    torch.save({name: value + 1 for name, value in state.items()}, file)
    changed, _ = load_or_make("vggish", str(file), 0, no_random_state)
    assert torch.equal(changed["embeddings.4.bias"], state["embeddings.4.bias"] + 1)


def test_who_may_read_the_record_may_read_the_weights(file: Path) -> None:
    import_file("vggish", file)
    (kept,) = kept_files()
    assert kept.stat().st_mode == kept.with_suffix(".json").stat().st_mode


def test_random_weights_are_made_of_the_seed_and_kept_nowhere(weights_dir: Path) -> None:
    state, facts = load_or_make("vggish", "random", 5, lambda seed: {"w": torch.full((2,), seed)})
    assert state["w"].tolist() == [5, 5]
    assert facts == {"weights": "random", "sha256": state_sha256(state), "seed": 5}
    assert_nothing_is_left(weights_dir)


def test_a_safetensors_file_in_half_precision_is_kept_in_single(state: State, tmp_path: Path) -> None:
    save_file({name: value.half() for name, value in state.items()}, tmp_path / "half.safetensors")
    loaded, _ = load_or_make("vggish", str(tmp_path / "half.safetensors"), 0, no_random_state)
    assert all(torch.equal(loaded[name], value.half().float()) for name, value in state.items())


@pytest.mark.parametrize("damage", ["other tensors", "cut", "no record"])
def test_a_kept_file_that_is_not_what_was_noted_is_refused(state: State, file: Path, damage: str) -> None:
    import_file("vggish", file)
    (kept,) = kept_files()
    if damage == "other tensors":
        save_file({name: value + 1 for name, value in state.items()}, kept)
    elif damage == "cut":
        kept.write_bytes(kept.read_bytes()[:-1])
    else:
        kept.with_suffix(".json").unlink()
    with pytest.raises(DataError, match="expected what this program wrote: delete it, then fetch or import it again"):
        read(kept)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "torchvggish",
            r"AVR_OFFLINE=1\); .* https://github\.com/.*/vggish-10086976\.pth as .*/weights/vggish-10086976\.pth",
        ),
        ("tf_checkpoint", r"https://storage\.googleapis\.com/audioset/vggish_model\.ckpt as .*/weights/vggish_model"),
        (
            "tfhub",
            r"https://tfhub\.dev/google/vggish/1\?tf-hub-format=compressed unpacked as .*/weights/google_vggish_1",
        ),
        (
            "imagenet1k_v1",
            r"https://download\.pytorch\.org/models/inception_v3_google-0cc3c7bd\.pth as .*/weights/incep",
        ),
    ],
)
def test_offline_a_message_says_which_file_to_bring_from_where_and_where_to(
    weights_dir: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.setenv("AVR_OFFLINE", "1")
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    with pytest.raises(ParamsError, match=message):
        fetch(name)
    assert_nothing_is_left(weights_dir)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dict[str, tuple[int, bytes]]]]:
    """An address and what is served there: by path, the length that is promised and the bytes that are sent."""
    served: dict[str, tuple[int, bytes]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length, body = served[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))  # seconds until it notices its end
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", served
        http.shutdown()
        thread.join()


@pytest.mark.parametrize("missing", [0, 10], ids=["whole", "ends early"])
def test_a_download_is_kept_whole_or_not_at_all(
    server: tuple[str, dict[str, tuple[int, bytes]]],
    state: State,
    file: Path,
    weights_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    missing: int,
) -> None:
    address, served = server
    source = replace(SOURCES["torchvggish"], url=f"{address}/{file.name}", sha256="")
    monkeypatch.setitem(SOURCES, "torchvggish", source)
    served[f"/{file.name}"] = (file.stat().st_size + missing, file.read_bytes())
    if missing:
        with pytest.raises(
            ParamsError, match=r"cannot be fetched \(\d+ of \d+ bytes arrived\); expected a network, or"
        ):
            fetch("torchvggish")
        assert_nothing_is_left(weights_dir)
    else:
        fetch("torchvggish")
        assert state_sha256(read(kept_file("vggish", "torchvggish"))[0]) == state_sha256(state)
        assert len(list(weights_dir.iterdir())) == 2


@pytest.mark.parametrize(
    ("start", "limit"),
    [(b"", "CONNECT_SECONDS"), (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "WHOLE_SECONDS")],
    ids=["never answers", "gives a little now and then"],
)
def test_a_server_that_is_never_done_is_not_waited_for(
    start: bytes, limit: str, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"pipeline.weights.download.{limit}", 0.5)
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=trickle, args=(listening, start, is_over))
        thread.start()
        source = replace(SOURCES["torchvggish"], url=f"http://127.0.0.1:{listening.getsockname()[1]}/x.pth")
        monkeypatch.setitem(SOURCES, "torchvggish", source)
        try:
            with pytest.raises(
                ParamsError, match=r"cannot be fetched \(not done after 0.5 s\); expected a network, or"
            ):
                fetch("torchvggish")
        finally:
            is_over.set()
            thread.join()
    assert_nothing_is_left(weights_dir)


def trickle(listening: socket.socket, start: bytes, is_over: threading.Event) -> None:
    """Send the start of an answer, and a byte now and then; without a start nothing at all."""
    connection, _ = listening.accept()
    with connection, suppress(OSError):
        connection.sendall(start)
        while not is_over.wait(0.05):
            connection.sendall(b"x" * bool(start))


def test_a_download_is_shown_as_every_other_loop(
    server: tuple[str, dict[str, tuple[int, bytes]]],
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address, served = server
    monkeypatch.setitem(SOURCES, "torchvggish", replace(SOURCES["torchvggish"], url=f"{address}/x.pth", sha256=""))
    monkeypatch.setattr("pipeline.weights.download.CHUNK_BYTES", 1000)
    served["/x.pth"] = (file.stat().st_size, file.read_bytes())
    for style, is_shown in (("bar", True), ("none", False)):
        monkeypatch.setenv("AVR_PROGRESS", style)
        fetch("torchvggish")
        assert ("fetch vggish-10086976.pth" in capsys.readouterr().err) == is_shown


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr("sys.argv", ["weights", *words])
    command_line.main()


def test_the_command_line_imports_lists_and_verifies(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "import", str(file))
    (kept,) = kept_files()
    run(monkeypatch, "list")
    run(monkeypatch, "verify")
    printed = capsys.readouterr().out
    assert f"{file}: {kept}\n" in printed
    assert "inception.weights=imagenet1k_v1: not fetched; https://" in printed
    assert f"{kept.parent} ($AVR_WEIGHTS_DIR) holds:\n  {kept.name}\n" in printed
    assert f"{kept.name}: as noted on " in printed
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(SystemExit, match=r"weights: DataError: .*vggish\.mine-\w{12}\.safetensors"):
        run(monkeypatch, "verify")


def test_verifying_nothing_is_said_aloud(
    weights_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "verify")
    assert capsys.readouterr().out == f"{weights_dir}: no weights to verify\n"


def test_the_command_line_refuses_the_wrong_bytes_under_a_published_name(
    file: Path, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = file.rename(file.with_name("vggish-10086976.pth"))
    with pytest.raises(SystemExit, match=r"DataError: .*vggish-10086976\.pth: its SHA-256 begins with"):
        run(monkeypatch, "import", str(published))
    with pytest.raises(DataError, match=r"expected 10086976\w{56}, as https://github\.com/.* was published"):
        import_file("vggish", published)
    assert_nothing_is_left(weights_dir)


def test_the_command_line_names_the_sources_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"'vgg' is unknown; expected one of: .*tfhub, tf_checkpoint, torchvggish"):
        run(monkeypatch, "fetch", "vgg")


def test_the_command_line_fetches_what_params_yaml_names_unless_it_is_here(
    state: State,
    weights_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AVR_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(SOURCES, "torchvggish", replace(SOURCES["torchvggish"], sha256=""))
    lines = {
        "vggish": {"inputs": "logmel", "modality": "audio"},
        "inception": {"inputs": "frames", "modality": "visual"},
    }
    weights = {"vggish": {"weights": "torchvggish"}, "inception": {"weights": "random"}}
    Path("params.yaml").write_text(yaml.safe_dump({"networks": lines, **weights}))
    weights_dir.mkdir()
    torch.save(state, weights_dir / "vggish-10086976.pth")
    run(monkeypatch, "fetch")
    (weights_dir / "vggish-10086976.pth").unlink()
    run(monkeypatch, "fetch")
    kept = kept_file("vggish", "torchvggish")
    assert capsys.readouterr().out == f"random: nothing to fetch, it is made on the spot\ntorchvggish: {kept}\n" * 2
