"""What differs from the default parameters, and that the installed copy of them is the project's."""

from pathlib import Path

import pytest
import yaml

from pipeline.errors import ParamsError
from pipeline.report.params_changes import DEFAULTS, params_changes, read_value
from tests.helpers.project import ROOT
from tests.helpers.yaml_text import read_yaml

BOMB = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{b: *a{i - 1}, c: *a{i - 1}}}\n" for i in range(1, 40))


def test_the_installed_defaults_are_those_of_the_project() -> None:
    """Where this fails: cp params.yaml pipeline/report/default_params.yaml, or undo what -S has changed."""
    ours, copy = (read_yaml(path.read_text()) for path in (ROOT / "params.yaml", DEFAULTS))
    assert copy == ours


def test_changed_new_and_lost_parameters_are_listed(tmp_path: Path) -> None:
    params = read_yaml((ROOT / "params.yaml").read_text())
    params["model"]["dropout"], params["model"]["seeds"] = 0.5, [3]
    params["dataset"]["path"] = "/data/<b>my clips</b>"
    del params["models"]["acmr"]
    params["models"]["mine"] = "baselines.mine"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    found = {name: (value, default) for name, value, default in params_changes(tmp_path / "params.yaml")}
    assert found == {
        "model.dropout": ("0.5", "0.8"),
        "model.seeds": ("[3]", "[0, 1, 2]"),
        "dataset.path": ("/data/<b>my clips</b>", "null"),
        "models.acmr": (None, "baselines.acmr"),
        "models.mine": ("baselines.mine", None),
    }
    assert read_value(tmp_path / "params.yaml", "dataset.path") == "/data/<b>my clips</b>"


def test_an_unchanged_file_has_no_changes_whatever_its_comments_say(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("# other\n" + yaml.safe_dump(read_yaml(DEFAULTS.read_text())))
    assert params_changes(tmp_path / "params.yaml") == []
    assert read_value(tmp_path / "params.yaml", "dataset.path") is None


@pytest.mark.parametrize("text", ["", "- a\n", "a: [", "\x00", "&a {b: *a}", BOMB])
def test_a_file_without_sections_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"(?s)params\.yaml: .*; expected sections of key: value"):
        params_changes(tmp_path / "params.yaml")
