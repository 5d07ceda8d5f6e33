"""Which test clips are one draw of chance: those that share a sound, a picture, a file or a source are one group."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.feature_table import FeatureTable
from pipeline.groups import groups_of, row_hashes
from pipeline.retrieval.cosines import Array

COUNTED = ("sounds", "pictures", "sources")  # how many there are stands beside the number of groups


class Groups(NamedTuple):
    """Clips in groups that chance moves as a whole.

    Attributes:
        numbers: (n,) group of each clip.
        relations: what makes the groups: what each of the n clips has, by relation; an empty text is unknown.
    """

    numbers: NDArray[np.int64]
    relations: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, relations: Mapping[str, Sequence[str]]) -> "Groups":
        """Return the clips that are equal in a relation, directly or by way of others, as groups.

        Args:
            relations: what each of n clips has, by relation.
        """
        return cls(groups_of(*relations.values()), relations)

    @classmethod
    def each_its_own(cls, n_clips: int) -> "Groups":
        """Return groups of one clip each."""
        return cls(np.arange(n_clips), {name: [""] * n_clips for name in COUNTED})

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return len(np.unique(self.numbers))

    @property
    def n_effective(self) -> float:
        """The number of equally large groups that would be as much evidence, if the clips of each agreed.

        It is n^2 / sum of squared sizes, ``n_groups`` where all are of one size.

        References:
            Kish (1965), Survey Sampling, 11.7, on the loss by unequal weights.
        """
        sizes = np.bincount(self.numbers)
        return float(sizes.sum() ** 2 / (sizes**2).sum())

    def counts(self) -> dict[str, float]:
        """Return ``n_groups``, ``n_effective``, and how many of each of ``COUNTED`` are known, such as ``n_sounds``."""
        distinct = {f"n_{name}": len(set(self.relations[name]) - {""}) for name in COUNTED}
        return {"n_groups": self.n_groups, "n_effective": self.n_effective, **distinct}

    def of_rows(self, rows: NDArray[np.int64]) -> "Groups":
        """Return the groups of some of the clips.

        Args:
            rows: (m,) places of the clips.
        """
        places = rows.tolist()
        relations = {name: [values[place] for place in places] for name, values in self.relations.items()}
        return Groups(np.unique(self.numbers[rows], return_inverse=True)[1], relations)

    def sums(self, values: Array) -> Array:
        """Return the sum of each group's clips, (..., n_groups); of groups of one clip the values as they are.

        Args:
            values: (..., n), one for each clip.
        """
        order = np.argsort(self.numbers, kind="stable")
        starts = np.unique(self.numbers[order], return_index=True)[1]
        return np.asarray(np.add.reduceat(values[..., order], starts, axis=-1))


def groups_of_test(table: FeatureTable, clips: Iterable[Clip]) -> Groups:
    """Return the groups of a table's test clips, in the order of its rows.

    Clips share a sound or a picture where the rows of that modality are equal to the last bit, so that it is seen in
    published features too; a file by its sha256; a source by its source_id, where that is known.

    Args:
        table: features of all clips.
        clips: those of clips.csv.

    Raises:
        DataError: a test clip of the table is not among the clips.
    """
    by_id = {clip.clip_id: clip for clip in clips}
    rows = [row for row, split in enumerate(table.splits) if split == "test"]
    names = [table.clip_ids[row] for row in rows]
    if missing := [name for name in names if name not in by_id]:
        raise DataError(
            f"clip {missing[0]!r} ({len(missing)} such test clips): not in clips.csv; expected all of the features"
        )
    return Groups.of(
        {
            "sounds": row_hashes(table.audio[rows]),
            "pictures": row_hashes(table.visual[rows]),
            "files": [by_id[name].sha256 for name in names],
            "sources": [by_id[name].source_id for name in names],
        }
    )


def standard_error(values: Array, weights: Array, groups: Groups) -> Array:
    """Return the standard error of a weighted mean over clips whose groups are draws of their own: (...,).

    It is NaN for one group, of which no spread can be seen. Where each clip is a group and all weights are equal, it is
    the standard deviation over the root of n.

    Args:
        values: (..., n), one for each clip.
        weights: (n,) share of each clip in the mean, sum 1.
        groups: of the n clips.

    References:
        Cochran (1977), Sampling Techniques, chapters 6 and 9A: the linearised variance of a ratio, over clusters of
        unequal sizes.
    """
    n_groups = groups.n_groups
    if n_groups == 1:
        return np.full(values.shape[:-1], np.nan)
    deviations = groups.sums((values - (values @ weights)[..., None]) * weights)
    return np.asarray(np.sqrt(n_groups / (n_groups - 1) * (deviations**2).sum(axis=-1)))


def group_rows(clip_ids: Sequence[str], groups: Groups) -> list[dict[str, str | int]]:
    """Return a row a clip: its group, and its sound, picture, file and source as numbers; nothing where unknown.

    Args:
        clip_ids: of the clips.
        groups: of them.
    """
    columns = {"group": groups.numbers.tolist()}
    columns |= {name.removesuffix("s"): _numbered(values) for name, values in groups.relations.items()}
    rows = zip(clip_ids, *columns.values(), strict=True)
    return [dict(zip(("clip_id", *columns), row, strict=True)) for row in rows]


def _numbered(values: Sequence[str]) -> list[int | str]:
    """Numbers in place of texts, from 0 in their order; an empty text stays."""
    places: dict[str, int] = {}
    return [places.setdefault(value, len(places)) if value else "" for value in values]
