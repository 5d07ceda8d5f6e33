"""The stages of dvc.yaml as DVC itself resolves them, those of a foreach one by one."""

from functools import cache
from pathlib import Path
from typing import Any

from dvc.parsing import DataResolver
from dvc.repo import Repo

from tests.helpers.yaml_text import read_yaml

ROOT = Path(__file__).parents[2]


@cache
def resolved_stages(pipeline: str = "") -> dict[str, dict[str, Any]]:
    """Every stage by its name, such as ``network@vggish``, with all of its ``${...}`` filled in from params.yaml.

    ``pipeline`` is the folder of the dvc.yaml below the project's.
    """
    folder = ROOT / pipeline
    described = read_yaml((folder / "dvc.yaml").read_text(encoding="utf-8"))
    with Repo(str(ROOT)) as repo:
        stages: dict[str, dict[str, Any]] = DataResolver(repo, str(folder), described).resolve()["stages"]
    return stages


def stage_of(name: str) -> dict[str, Any]:
    """The stage of that name, or the one of the network of that name."""
    return resolved_stages().get(name) or resolved_stages()[f"network@{name}"]
