"""A run against limits and against another run: a table for a pull request, and whether the run may pass."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pipeline.errors import DataError
from pipeline.evaluate.independence import Groups
from pipeline.evaluate.runs import Run, Scores
from pipeline.evaluate.significance import holm, sign_flip_test
from pipeline.evaluate.writing import six_digits
from pipeline.formats.headlines import headline_of_report
from pipeline.retrieval.cosines import Array

WAYS = {
    "audio_to_visual": ("audio_to_visual",),
    "visual_to_audio": ("visual_to_audio",),
    "average": ("audio_to_visual", "visual_to_audio"),
}
TEST_SET = ("name", "n_test", "n_test_classes", "n_queries", "relevance")  # of `dataset` in metrics.json
N_PERMUTATIONS = 10_000
SEED = 0  # of the permutations
NONE = "-"
HEADS = ("metric", "before", "after", "change", "p", "verdict")


@dataclass(frozen=True)
class MetricBounds:
    """What a run has to keep.

    Attributes:
        least: the smallest value by key, which is MODEL.DIRECTION.METRIC.
        max_drop: by how much any number may be lower than before.
        max_change: by how much any number may be lower or higher than before.
        max_changes: likewise by key, in place of ``max_change``.
    """

    least: Mapping[str, float] = field(default_factory=dict)
    max_drop: float | None = None
    max_change: float | None = None
    max_changes: Mapping[str, float] = field(default_factory=dict)

    @property
    def hold_for_all(self) -> bool:
        """Whether a limit is meant for every model, and not only for the numbers that are named."""
        return not self.least or self.max_drop is not None or self.max_change is not None

    def problems(self, key: str, before: float | None, after: float) -> list[str]:
        """Return what is wrong with a number, in words; nothing where it keeps all limits."""
        found = [] if math.isfinite(after) else ["no finite number"]
        if key in self.least and not after >= self.least[key]:
            found.append(f"below {self.least[key]:g}")
        if before is None:
            return found
        change, bound = six_digits(after - before), self.max_changes.get(key, self.max_change)
        if self.max_drop is not None and not change >= -self.max_drop:
            found.append(f"dropped by more than {self.max_drop:g}")
        if bound is not None and not abs(change) <= bound:
            found.append(f"differs by more than {bound:g}")
        return found


class ComparedNumber(NamedTuple):
    """A number of two runs.

    Attributes:
        key: MODEL.DIRECTION.METRIC.
        before: in the other run; None: it is not there.
        after: in the run that is looked at; None: it is there no more.
        p: of a paired test of the two runs; None: no test was possible.
        problems: what is wrong, in words.
    """

    key: str
    before: float | None
    after: float | None
    p: float | None
    problems: Sequence[str]


class Comparison(NamedTuple):
    """All rows, and what else a reader has to know.

    Attributes:
        rows: a number each.
        notes: sentences.
    """

    rows: Sequence[ComparedNumber]
    notes: Sequence[str]

    @property
    def passed(self) -> bool:
        """Whether every number keeps its limits."""
        return not any(row.problems for row in self.rows)


def compare(after: Run, before: Run | None, limits: MetricBounds) -> Comparison:
    """Return the numbers that the limits name, and the average MAP of every model where a limit is meant for all.

    A model of the other run that this one has lost breaks such a limit.

    Args:
        after: the run that is looked at.
        before: the run that it is compared with, if any.
        limits: what it has to keep.

    Raises:
        DataError: a limit names a number that the run does not have.
    """
    keys = list(dict.fromkeys([*limits.least, *limits.max_changes, *(after.map_keys() if limits.hold_for_all else [])]))
    values = {key: (_value_before(before, key), after.value(key)) for key in keys}
    p_values, notes = _paired_tests(before, after, keys) if before else ({}, [])
    rows = [ComparedNumber(key, *values[key], p_values.get(key), limits.problems(key, *values[key])) for key in keys]
    if before is None:
        return Comparison(rows, [])
    return Comparison([*rows, *_lost(before, after, limits)], [*_warnings(before, after), *notes])


def markdown(comparison: Comparison) -> str:
    """Return the table and the notes as Markdown, as a pull request shows them."""
    lines = [_line(HEADS), _line(("---", "---:", "---:", "---:", "---:", "---"))]
    for key, before, after, p, problems in comparison.rows:
        change = None if before is None or after is None else after - before
        cells = (_cell(before, ".4f"), _cell(after, ".4f"), _cell(change, "+.4f"), _cell(p, "#.2g"))
        lines.append(_line((key, *cells, "**" + ", ".join(problems) + "**" if problems else "ok")))
    return "\n\n".join(["\n".join(lines), *comparison.notes])


def paired_test(pairs: Sequence[tuple[Scores, Scores]], directions: Sequence[str], groups: Groups) -> Array:
    """Return p-values, corrected for their number, of no difference between two runs over the test clips: (n,).

    A clip's score is its average precision in the direction, or the mean of both where that is ``average``. The
    differences of a group of clips change their sign together. A model whose every score is as before has a p-value of
    1, and does not count as a test.

    Args:
        pairs: the scores of n models in the one run and in the other.
        directions: one for each model.
        groups: of the clips, in the order in which the other run's scores name them first.

    Raises:
        DataError: the two runs have other queries.
    """
    differences = [groups.sums(_differences(*scores, way)) for scores, way in zip(pairs, directions, strict=True)]
    changed = np.array([bool(row.any()) for row in differences])
    p_values = np.ones(len(pairs))
    if changed.any():
        rows = [sign_flip_test(row[None], N_PERMUTATIONS, SEED) for row in differences if row.any()]
        p_values[changed] = holm(np.concatenate(rows))
    return p_values


def _paired_tests(before: Run, after: Run, keys: Sequence[str]) -> tuple[dict[str, float], list[str]]:
    """The p-values of the MAPs that both runs have, and how they were made or why they could not be."""
    ranked_by = headline_of_report(after.report)
    in_both = [key for key in keys if key.endswith(f".{ranked_by}") and _value_before(before, key) is not None]
    words = {key: key.split(".") for key in in_both}
    if not words:
        return {}, []
    try:
        scores = [(before.scores(model), after.scores(model)) for model, _, _ in words.values()]
        groups, independent = _groups(before, after, _clips(scores[0][1]))
        p_values = paired_test(scores, [direction for _, direction, _ in words.values()], groups)
    except DataError as error:
        return {}, [f"No paired test: {error}."]
    note = f"p: paired permutation test of the {ranked_by.upper()} over {len(groups.numbers)} test clips {independent}"
    corrected = "corrected by Holm's procedure for the models whose scores changed"
    return dict(zip(words, p_values.tolist(), strict=True)), [f"{note}, {corrected}."]


def _groups(before: Run, after: Run, clips: Sequence[str]) -> tuple[Groups, str]:
    """The groups of the clips, by what either run says of them, and how many there are in words."""
    known = []
    for run in (before, after):
        with suppress(DataError):  # of an earlier version, or lost
            known.append(run.groups())
    if not known:
        return Groups.each_its_own(len(clips)), "one by one, as neither run says which share a sound, picture or source"
    relations = {str(number): [str(of_run.get(clip, "")) for clip in clips] for number, of_run in enumerate(known)}
    groups = Groups.of(relations)
    if groups.n_groups == 1:
        return groups, "that all share a sound, picture or source, so that no test can tell the runs apart"
    effective = f"effectively {groups.n_effective:.4g}"
    return groups, f"in {groups.n_groups} groups that share a sound, picture or source ({effective})"


def _clips(scores: Scores) -> list[str]:
    """The clips that scores are of, each once."""
    return list(dict.fromkeys(clip_id for clip_id, _ in scores))


def _differences(before: Scores, after: Scores, direction: str) -> Array:
    """Score after minus score before of each clip, (n_clips,)."""
    if before.keys() != after.keys():
        n_alone = len(before.keys() ^ after.keys())
        raise DataError(f"{n_alone} queries are of one run only; expected the same test clips in both")
    changes = [[after[clip, way] - before[clip, way] for way in WAYS[direction]] for clip in _clips(after)]
    return np.array([np.mean(of_clip) for of_clip in changes])


def _value_before(before: Run | None, key: str) -> float | None:
    """A number of the other run, if it is there."""
    try:
        return before.value(key) if before else None
    except DataError:
        return None


def _lost(before: Run, after: Run, limits: MetricBounds) -> list[ComparedNumber]:
    """The models of the other run that are not in this one, where a limit is meant for all."""
    is_bound = limits.max_drop is not None or limits.max_change is not None
    gone = [key for key in before.map_keys() if key not in after.map_keys()] if is_bound else []
    return [ComparedNumber(key, before.value(key), None, None, ["not measured any more"]) for key in gone]


def _warnings(before: Run, after: Run) -> list[str]:
    """What makes two runs unlike, so that their numbers say little about the models."""
    one, other = (run.report.get("dataset", {}) for run in (before, after))
    unlike = [name for name in TEST_SET if name in one and name in other and one[name] != other[name]]
    changes = "; ".join(f"{name} {one[name]} before, {other[name]} after" for name in unlike)
    gone = [model for model in before.report["models"] if model not in after.report["models"]]
    return [
        f"Compared with `{before.name}`.",
        *([f"Warning: another test set: {changes}."] if unlike else []),
        *([f"Warning: not measured any more: {', '.join(gone)}."] if gone else []),
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)
