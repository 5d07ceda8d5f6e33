"""What is noted about weights: a note that was edited, moved or made of other bytes is refused."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import DataError
from pipeline.network_parts.base import network_names, network_part
from pipeline.weights import kept_file
from pipeline.weights.lazy import LazyWeights
from pipeline.weights.records import read_record
from pipeline.weights.sources import SOURCES
from pipeline.weights.store import fetch, import_file, kept_files, read
from tests.helpers.tiny_vggish import no_random_state, tiny_state


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set of weights that a user brought."""
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(tmp_path / "weights"))
    save_file(tiny_state(monkeypatch), tmp_path / "mine.safetensors")
    import_file("vggish", tmp_path / "mine.safetensors")
    return kept_files()[0]


def edit(note: Path, **entries: object) -> None:
    note.write_text(json.dumps(json.loads(note.read_text()) | entries))


@pytest.mark.parametrize("key", ["source", "url", "licence", "sha256", "state_sha256", "date", "converter", "set"])
def test_a_note_that_was_edited_is_refused(kept: Path, key: str) -> None:
    edit(kept.with_suffix(".json"), **{key: "something else"})
    with pytest.raises(DataError, match=r"vggish\.mine-\w{12}\.json: edited since it was written; expected what this"):
        read(kept)
    lazy = LazyWeights("vggish", str(kept.parents[1] / "mine.safetensors"), 0, no_random_state, "no memory", "code")
    with pytest.raises(DataError, match="edited since it was written"):
        _ = lazy.facts


def test_a_note_with_another_entry_is_refused(kept: Path) -> None:
    edit(kept.with_suffix(".json"), more="text")
    with pytest.raises(DataError, match=r"json: keys \['converter', .*'more'.*\]; expected what this program wrote"):
        read(kept)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b'{"sha256": 1}', b"[" * 100_000], ids=str)
def test_a_damaged_note_is_refused(kept: Path, content: bytes) -> None:
    kept.with_suffix(".json").write_bytes(content)
    with pytest.raises(DataError, match="expected what this program wrote: delete it, then fetch or import it again"):
        read_record(kept)


def test_a_set_under_the_name_of_another_one_is_refused(kept: Path) -> None:
    moved = kept_file("vggish", "torchvggish")
    for suffix in (".json", ".safetensors"):
        shutil.copy(kept.with_suffix(suffix), moved.with_suffix(suffix))
    with pytest.raises(
        DataError, match=r"vggish\.torchvggish\.json: the note of vggish\.mine-\w{12}; expected what this"
    ):
        read(moved)


@pytest.mark.parametrize("name", ["torchvggish", "tf_checkpoint"])
def test_a_note_of_other_bytes_than_were_published_is_refused(
    kept: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = SOURCES[name]
    monkeypatch.setitem(SOURCES, name, replace(published, sha256=""))
    fetch(name, kept.parents[1] / "mine.safetensors")
    assert read_record(kept_file("vggish", name))["sha256"]
    monkeypatch.setitem(SOURCES, name, published)
    with pytest.raises(DataError, match=rf"made of a file of SHA-256 \w{{12}}, published is {published.sha256[:12]};"):
        read_record(kept_file("vggish", name))


def test_the_note_has_the_hash_of_what_was_fetched_in_full_also_of_a_source_that_names_none(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SOURCES, "tfhub", replace(SOURCES["tfhub"], sha256=""))
    fetch("tfhub", kept.parents[1] / "mine.safetensors")
    assert len(read_record(kept_file("vggish", "tfhub"))["sha256"]) == 64


def test_the_hash_of_every_published_file_is_known_in_full_and_fits_its_name() -> None:
    for network in network_names():
        for source in network_part(network, "published").SOURCES.values():
            assert len(source.sha256) == (0 if source.is_on_tfhub else 64)
            _, dash, stem = source.file.rpartition("-")
            assert source.sha256.startswith(stem.partition(".")[0] if dash else "")


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_pipe_in_the_place_of_a_kept_file_is_refused_without_waiting(kept: Path, suffix: str) -> None:
    kept.with_suffix(suffix).unlink()
    os.mkfifo(kept.with_suffix(suffix))
    with pytest.raises(DataError, match="a pipe; expected a regular file; expected what this program wrote"):
        read(kept)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_link_in_the_place_of_a_kept_file_is_refused(kept: Path, suffix: str) -> None:
    path = kept.with_suffix(suffix)
    path.rename(kept.parents[1] / "elsewhere")
    path.symlink_to(kept.parents[1] / "elsewhere")
    with pytest.raises(DataError, match="a link; expected a regular file; expected what this program wrote"):
        read(kept)


def test_a_folder_of_weights_and_a_file_that_is_brought_may_be_links(kept: Path, tmp_path: Path) -> None:
    folder = kept.parent
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    (tmp_path / "linked.safetensors").symlink_to(tmp_path / "mine.safetensors")
    read(kept)
    assert import_file("vggish", tmp_path / "linked.safetensors").startswith("linked-")


@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o664), (0o077, 0o600)])
def test_who_may_use_kept_weights_is_what_the_umask_says(kept: Path, umask: int, mode: int) -> None:
    mine, before = kept.parents[1] / "other.safetensors", os.umask(umask)
    shutil.copy(kept.parents[1] / "mine.safetensors", mine)
    try:
        name = import_file("vggish", mine)
    finally:
        os.umask(before)
    path = kept_file("vggish", name)
    assert [place.stat().st_mode & 0o777 for place in (path, path.with_suffix(".json"))] == [mode, mode]


def test_torchs_advice_to_run_a_files_code_is_not_passed_on(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pth")
    (tmp_path / "old.pth").write_bytes(b"\x80\x04\x95")
    for name, problem in (("model", "it names torch.nn.modules.linear.Linear, which is code"), ("old", "")):
        with pytest.raises(
            DataError, match=rf"{name}\.pth: .*{problem}.*; expected a whole file that holds tensors"
        ) as caught:
            import_file("vggish", tmp_path / f"{name}.pth")
        assert "weights_only" not in str(caught.value)
