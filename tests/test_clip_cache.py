import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pipeline.clip_cache import ClipCache, cache_folder, fingerprint, write_atomically
from pipeline.errors import ClipError, DataError


def module(folder: Path, source: str) -> ModuleType:
    made = ModuleType("room")
    path = folder / "room.py"
    path.write_text(source)
    made.__file__ = str(path)
    return made


def made_by(folder: Path, source: str, **facts: object) -> str:
    return fingerprint(facts, [module(folder, source)])


def test_arrays_come_back_from_the_cache(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, "f")
    cache.write("input", {"a": np.arange(3.0), "b": np.zeros((0, 2), np.uint8)})
    assert cache.peek("clip", "input") is True
    back = cache.read("clip", "input")
    assert back["a"].tolist() == [0, 1, 2]
    assert (back["b"].shape, back["b"].dtype) == ((0, 2), np.uint8)


def test_a_refusal_comes_back_under_the_name_of_the_clip_that_asks(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, "f")
    cache.write("input", ClipError("one name", "no_audio", "no sound", "an audio stream"))
    error = cache.peek("another name", "input")
    assert isinstance(error, ClipError)
    assert (error.clip_id, error.kind, error.problem) == ("another name", "no_audio", "no sound")


@pytest.mark.parametrize(("fingerprint", "digest"), [("g", "input"), ("f", "other input")])
def test_another_fingerprint_or_input_finds_nothing(tmp_path: Path, fingerprint: str, digest: str) -> None:
    ClipCache(tmp_path, "f").write("input", {"a": np.zeros(1)})
    assert ClipCache(tmp_path, fingerprint).peek("clip", digest) is False


def test_a_truncated_entry_is_forgotten(tmp_path: Path) -> None:
    cache = ClipCache(tmp_path, "f")
    cache.write("input", {"a": np.arange(100.0)})
    path = cache.path("input")
    path.write_bytes(path.read_bytes()[:-1])
    assert cache.peek("clip", "input") is False
    assert not path.exists()


def test_an_entry_that_vanishes_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"clip 'clip': .*expected the entry that this run has just seen"):
        ClipCache(tmp_path, "f").read("clip", "input")


def test_comments_docstrings_and_layout_do_not_change_the_fingerprint(tmp_path: Path) -> None:
    plain = made_by(tmp_path, "def f(x):\n    return x + 1\n")
    dressed = made_by(tmp_path, '"""Room."""\n# why\ndef f( x ):\n    """Return."""\n\n    return x+1\n')
    assert plain == dressed


def test_every_module_of_a_package_counts(tmp_path: Path) -> None:
    package = ModuleType("package")
    package.__file__ = str(tmp_path / "__init__.py")
    (tmp_path / "__init__.py").touch()
    prints = set()
    for source in ("x = 1", "x = 2"):
        (tmp_path / "inner.py").write_text(source)
        prints.add(fingerprint({}, [package]))
    assert len(prints) == 2


def test_code_and_facts_change_the_fingerprint(tmp_path: Path) -> None:
    prints = {
        made_by(tmp_path, "x = 1"),
        made_by(tmp_path, "x = 2"),
        made_by(tmp_path, "x = 1", size=3),
        made_by(tmp_path, "x = 1", size=4),
        fingerprint({}, [module(tmp_path, "x = 1")], ["numpy"]),
    }
    assert len(prints) == 5


def test_the_fingerprint_is_the_same_in_another_process(tmp_path: Path) -> None:
    code = "import json, sys; from pipeline import clip_cache as c; print(c.fingerprint(json.loads(sys.argv[1]), [c]))"
    facts = {"b": 1, "a": [1.5, None]}
    from pipeline import clip_cache

    other = subprocess.run([sys.executable, "-c", code, json.dumps(facts)], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == fingerprint(facts, [clip_cache])


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text")  # type: ignore[arg-type]  # the failure this test is about
    assert [(file.name, file.read_bytes()) for file in path.parent.iterdir()] == [("file", b"old")]


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("CACHE_DIR", raising=False)
    assert cache_folder() == tmp_path / "xdg" / "dual-subspace-retrieval"
    monkeypatch.setenv("CACHE_DIR", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
