"""Which edits change the key of a result, on small projects that the tests write."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings.fingerprint import WITHOUT_EFFECT, code_fingerprint, code_hash, fingerprint
from pipeline.settings.imports import files_behind
from tests.helpers.project import ROOT

LOGMEL = ["pipeline.video", "pipeline.logmel"]


def project(folder: Path, **files: str) -> Path:
    """A project whose files are named by dotted names, with __ for a dot."""
    for name, source in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return folder


def made_by(folder: Path, source: str, **facts: object) -> str:
    name = f"{len(list(folder.iterdir()))}"
    return fingerprint(facts, ["pipeline.room"], project(folder / name, pipeline__room=source))


def test_comments_docstrings_and_layout_do_not_change_it(tmp_path: Path) -> None:
    plain = made_by(tmp_path, "def f(x):\n    return x + 1\n")
    dressed = made_by(tmp_path, '"""Room."""\n# why\ndef f( x ):\n    """Return."""\n\n    return x+1\n')
    assert plain == dressed


def test_code_facts_and_packages_change_it(tmp_path: Path) -> None:
    prints = {
        made_by(tmp_path, "x = 1"),
        made_by(tmp_path, "x = 2"),
        made_by(tmp_path, "x = 1", size=3),
        made_by(tmp_path, "x = 1", size=4),
        made_by(tmp_path, "import numpy\nx = 1"),
    }
    assert len(prints) == 5


def test_another_version_of_a_package_that_computes_changes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import numpy, pydantic"
    before = made_by(tmp_path, source)
    monkeypatch.setattr("pipeline.settings.fingerprint.version", lambda package: f"{package} of tomorrow")
    assert made_by(tmp_path, source) != before


def test_that_of_the_code_alone_has_no_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prints(number: int) -> list[str]:
        folder = project(tmp_path / f"{number}", pipeline__room=f"import numpy\nx = {number}")
        return [code_fingerprint({"n": n}, ["pipeline.room"], folder) for n in range(2)]

    before = [*prints(1), *prints(2)]
    assert len({*before}) == 4  # facts and code count
    monkeypatch.setattr("pipeline.settings.fingerprint.version", lambda _: "0.0")
    assert [*prints(1), *prints(2)] == before


def test_a_package_that_only_checks_values_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made_by(tmp_path, "import pydantic, tqdm")
    monkeypatch.setattr("pipeline.settings.fingerprint.version", lambda package: f"{package} of tomorrow")
    assert made_by(tmp_path, "import pydantic, tqdm") == before


def test_code_that_moves_keeps_its_key(tmp_path: Path) -> None:
    here = project(
        tmp_path / "a", pipeline__room="from pipeline.part import f\nx = f()", pipeline__part="def f(): return 1"
    )
    there = project(
        tmp_path / "b",
        pipeline__floor__room="from pipeline.floor.deep.part import f\nx = f()",
        pipeline__floor__deep__part="def f(): return 1",
    )
    assert fingerprint({}, ["pipeline.room"], here) == fingerprint({}, ["pipeline.floor.room"], there)


def test_code_that_only_an_import_leads_to_counts(tmp_path: Path) -> None:
    room = "def work():\n    from pipeline import part\n    return part.f()"
    prints = {
        fingerprint(
            {}, ["pipeline.room"], project(tmp_path / value, pipeline__room=room, pipeline__part=f"X = {value}")
        )
        for value in "12"
    }
    assert len(prints) == 2


def test_every_module_of_a_package_counts(tmp_path: Path) -> None:
    prints = {
        fingerprint({}, ["pipeline.room"], project(tmp_path / value, pipeline__room__inner=f"x = {value}"))
        for value in "12"
    }
    assert len(prints) == 2


def test_what_only_a_type_checker_imports_does_not_count(tmp_path: Path) -> None:
    room = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pipeline.part import f"
    prints = {
        fingerprint(
            {}, ["pipeline.room"], project(tmp_path / value, pipeline__room=room, pipeline__part=f"X = {value}")
        )
        for value in "12"
    }
    assert len(prints) == 1


def test_it_is_the_same_in_another_process() -> None:
    code = "import json, sys; from pipeline.settings.fingerprint import fingerprint as f; print(f({'a': [1, 'b']}, %r))"
    other = subprocess.run(
        [sys.executable, "-c", code % LOGMEL],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "5"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == fingerprint({"a": [1, "b"]}, LOGMEL)


def test_every_version_of_python_finds_the_same_entries(tmp_path: Path) -> None:
    # made once under 3.11; newer ones give their syntax trees more fields
    source = "async def f(x, *, y=None):\n    return [f'{x:.2f} {y!r}', b'1', ..., None]\n"
    (tmp_path / "a.py").write_text(source)
    assert code_hash(tmp_path / "a.py") == "4843b53048518c8650ffd58ddb57f6d161cd6652f6a929d2cddb55b1ce405484"


def test_what_is_said_to_have_no_effect_exists() -> None:
    for name in WITHOUT_EFFECT:
        assert files_behind([name]), name


def test_the_stages_name_what_computes_their_clips() -> None:
    behind = {path.relative_to(ROOT).as_posix() for path in files_behind(LOGMEL, without=WITHOUT_EFFECT)}
    assert {"pipeline/logmel.py", "pipeline/video/sound.py"} <= behind
    assert not {"pipeline/errors.py", "pipeline/formats/clips.py"} & behind


def test_facts_are_what_json_can_hold() -> None:
    assert fingerprint(json.loads('{"a": [1.5, null]}'), LOGMEL) == fingerprint({"a": [1.5, None]}, LOGMEL)
