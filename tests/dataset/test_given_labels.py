from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.dataset.base import DatasetParams
from pipeline.dataset.given_labels import labelled_as, with_labels
from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.feature_table import NO_LABEL, FeatureTable
from tests.helpers.clip_table import write
from tests.helpers.dataset_params import dataset_params

CLIPS = [Clip(clip_id=name, path=f"deep/{name}", label="old") for name in ("a", "b", "c")]


def of_table(folder: Path, *rows: list[str]) -> DatasetParams:
    return dataset_params(labels=str(write(folder / "labels.csv", [["path", "label"], *rows])))


def given(params: DatasetParams) -> list[str]:
    return [clip.label for clip in with_labels(CLIPS, params)]


def test_the_labels_of_the_source_stay() -> None:
    assert given(dataset_params(labels="folders")) == ["old"] * 3


def test_none_takes_all_labels_away() -> None:
    assert given(dataset_params(labels="none")) == [""] * 3


def test_a_table_names_clips_by_path_or_by_id_and_leaves_the_others_without(tmp_path: Path) -> None:
    assert given(of_table(tmp_path, ["deep/a", "cat"], ["c", "dog"])) == ["cat", "", "dog"]
    assert given(of_table(tmp_path, ["deep/a", "cat"], ["b", ""], ["c", "dog"])) == ["cat", "", "dog"]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([["deep/a", "cat"], ["d", "dog"]], r"1 of 2 paths are no clip of the source, such as 'd'; expected paths as"),
        ([["a", "cat"], ["a", "dog"]], r"line 3: 'a' is 'dog', and 'cat' before; expected one class a clip"),
        ([["a", "cat"], ["b", ""]], r"classes \['cat'\]; expected two or more"),
        ([], r"classes \[\]; expected two or more"),
    ],
)
def test_a_table_that_contradicts_the_clips_or_itself_is_refused(
    rows: list[list[str]], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=problem):
        given(of_table(tmp_path, *rows))


def test_a_word_that_is_no_file_says_what_there_is() -> None:
    with pytest.raises(DataError, match=r"dataset.labels=nonne: no such file .*; expected folders, none, or a table"):
        given(dataset_params(labels="nonne"))


def table(**changes: Any) -> FeatureTable:  # noqa: ANN401 - any field
    rows = np.zeros((3, 2), np.float32)
    fields = {
        "clip_ids": ["a", "b", "c"],
        "splits": ["train"] * 3,
        "labels": np.array([0, 1, 1]),
        "classes": ["x", "y"],
    }
    return FeatureTable(**fields | {"audio": rows, "visual": rows, "provenance": {}} | changes)


def test_a_feature_table_takes_the_labels_of_its_clips() -> None:
    clips = with_labels(CLIPS, dataset_params(labels="none"))
    bare = labelled_as(table(), clips)
    assert (bare.labels.tolist(), bare.classes) == ([NO_LABEL] * 3, [])
    some = labelled_as(table(), [CLIPS[0], clips[1], Clip(clip_id="c", path="", label="new")])
    assert (some.labels.tolist(), some.classes) == ([1, NO_LABEL, 0], ["new", "old"])
