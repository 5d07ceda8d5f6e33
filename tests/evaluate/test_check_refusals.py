"""What `avr check` says of limits, files and folders that it cannot look at."""

import json
from pathlib import Path

import pytest

from tests.helpers.checked_runs import Make, check, write_run


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda name, maps, **how: write_run(tmp_path / name, maps, **how)


@pytest.mark.parametrize("models", [{}, {"main": {"average": {"map": True}}}, {"main": {"average": {"map": "0.7"}}}])
def test_a_file_without_numbers_of_models_cannot_be_looked_at(models: object, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"models": models}))
    result = check(tmp_path / "metrics.json")
    assert result.exit_code == 2
    assert "expected a metrics.json that the stage `evaluate` wrote" in result.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("main.average.map", "--min 'main.average.map'; expected MODEL.DIRECTION.METRIC=NUMBER, such as"),
        ("0.6", "--min '0.6'; expected MODEL"),
        ("main.map=0.6", "--min 'main.map=0.6'; expected MODEL"),
        ("main.average.map=high", "--min 'main.average.map=high'; expected MODEL"),
        ("main.average.map=nan", "--min 'main.average.map=nan'; expected MODEL"),
    ],
)
def test_a_limit_that_cannot_be_read_is_a_wrong_usage(make: Make, text: str, problem: str) -> None:
    result = check(make("after", {"main": 0.7}), "--min", text)
    assert result.exit_code == 2
    assert problem in " ".join(result.stderr.split())
    assert result.stdout == ""


@pytest.mark.parametrize("words", [["--max-drop", "0.1"], ["--max-change", "0.1"]])
def test_a_limit_between_two_runs_needs_another_run(make: Make, words: list[str]) -> None:
    result = check(make("after", {"main": 0.7}), *words)
    assert result.exit_code == 2
    assert "compare with another run; expected --against too" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("man.average.map", "no model 'man'; expected one of main, other"),
        ("main.both.map", "no direction 'both'; expected one of audio_to_visual, visual_to_audio, average"),
        ("main.average.auc", "no metric 'auc'; expected one of map, mrr"),
    ],
)
def test_a_number_that_is_not_there_is_named_with_those_that_are(make: Make, key: str, problem: str) -> None:
    result = check(make("after", {"main": 0.7, "other": 0.6}), "--min", f"{key}=0.5")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("check: DataError: ")
    assert f"{key}: {problem}" in result.stderr


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"models": 3}', '{"models": {"a": {}}}', '{"models": {"a": {"average": {"map": "x"}}}}']
)
def test_a_file_that_is_no_metrics_json_is_named(make: Make, tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    after = make("after", {"main": 0.7})
    for words in ([tmp_path / "other.json"], [after, "--against", tmp_path / "other.json"]):
        result = check(*words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "other.json: " in result.stderr
        assert "expected a metrics.json that the stage `evaluate` wrote" in result.stderr


def test_a_missing_metrics_json_is_named(tmp_path: Path) -> None:
    result = check(tmp_path / "metrics.json")
    assert result.exit_code == 2
    assert "metrics.json: No such file or directory; expected a metrics.json" in result.stderr


def test_outside_of_a_repository_there_is_no_revision(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    after = make("after", {"main": 0.7})
    monkeypatch.chdir(after.parent)
    result = check("metrics.json", "--against", "HEAD")
    assert result.exit_code == 2
    assert "HEAD: " in result.stderr
    assert "expected a file, or a commit, branch, tag or experiment of this repository" in result.stderr
