"""The reader of imports against what Python itself loads."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings.imports import files_behind, imported_names, packages_behind
from tests.helpers.project import ROOT

LOADED = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
files = [module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] in ("pipeline", "stages")]
print(json.dumps([file for file in files if file]))
"""


@pytest.mark.parametrize(
    "module", ["pipeline.logmel", "pipeline.video", "pipeline.models.dual_subspace", "pipeline.tune"]
)
def test_no_file_is_overlooked_that_python_loads(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED, module], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {Path(file) for file in json.loads(done.stdout)}
    assert {file for file in loaded if file.stat().st_size} <= set(files_behind([module]))


def test_an_import_within_a_function_counts_and_one_for_type_checkers_does_not(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(
        "import typing\nif typing.TYPE_CHECKING:\n    import csv\nelse:\n    pass\ndef f():\n    from os import path\n"
    )
    assert imported_names(file) == {"typing", "os", "os.path"}


def test_packages_have_the_names_they_are_installed_under(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("import json, yaml\nfrom PIL import Image\nfrom sklearn.svm import SVC\nimport pipeline\n")
    assert packages_behind([file]) == ["pillow", "pyyaml", "scikit-learn"]


def test_a_module_that_does_not_exist_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"pipeline\.vidoe: no such module"):
        files_behind(["pipeline.vidoe"])
