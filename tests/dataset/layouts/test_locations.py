"""Lists of folds are counted by the numbers in their names."""

from pathlib import Path

import pytest

from pipeline.dataset.layouts.locations import fold_lists
from pipeline.errors import DataError


def named(folder: Path, pattern: str, numbers: tuple[int, ...]) -> list[Path]:
    """Empty lists called after numbers, in their order."""
    lists = [folder / pattern.format(number) for number in numbers]
    for path in lists:
        path.touch()
    return lists


@pytest.mark.parametrize(("numbers", "missing"), [((0, 1, 3, 4), 2), ((1, 2, 4, 5), 3), ((0, 1, 2, 10**12), 3)])
def test_a_list_that_is_missing_among_others_moves_no_fold(
    numbers: tuple[int, ...], missing: int, tmp_path: Path
) -> None:
    named(tmp_path, "fold_{}.txt", numbers)
    with pytest.raises(
        DataError, match=rf"no list of number {missing} among fold_{numbers[0]}\.txt, .*; expected one for"
    ):
        fold_lists(tmp_path)


@pytest.mark.parametrize("pattern", ["fold_{}.txt", "fold_{}_of_5.txt", "vegas2018_{}.npy"])
@pytest.mark.parametrize("numbers", [(0, 1, 2, 3, 4), (1, 2, 3), (8, 9, 10, 11), (7,)])
def test_lists_in_a_row_are_counted_from_wherever_they_begin(
    pattern: str, numbers: tuple[int, ...], tmp_path: Path
) -> None:
    lists = named(tmp_path, pattern, numbers)
    assert fold_lists(tmp_path) == lists
