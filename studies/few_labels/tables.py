"""The numbers of the page, as Markdown: MAP of each form, margins between forms, chosen shares, partners found."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.independence import Groups, standard_error
from studies.few_labels.draws import Draw
from studies.few_labels.fits import FORMS, OfForms
from studies.few_labels.tied import TIED

SINGLE = ("pairs", "labels")
MARGINS = (
    ("one", SINGLE),
    ("dual", SINGLE),
    ("apart_by_agreement", SINGLE),
    ("apart_by_agreement", ("one",)),
    ("both", SINGLE),
    ("both", ("one",)),
    ("both", ("explicit",)),
    ("both_by_agreement", SINGLE),
    *((f"{form}_by_agreement", SINGLE) for form in TIED),
)


class LabelCase(NamedTuple):
    """A row of the tables: all that a draw is, but its seed."""

    data: str
    shared: float | None
    labelled: float
    wrong: float

    def cells(self) -> list[str]:
        """Return what the row is about."""
        shared = "" if self.shared is None else f"{self.shared:g}"
        return [self.data, shared, f"{100 * self.labelled:g} %", f"{100 * self.wrong:g} %"]


def by_condition(found: Mapping[Draw, OfForms]) -> dict[LabelCase, list[OfForms]]:
    """Return what the draws of each condition got.

    Args:
        found: of each draw what each form got.
    """
    grouped: dict[LabelCase, list[OfForms]] = {}
    for draw, of_forms in found.items():
        grouped.setdefault(LabelCase(*draw[:-1]), []).append(of_forms)
    return grouped


def mean_map(draws: Sequence[OfForms], form: str) -> float:
    """Return the MAP of a form, the mean over the draws of a condition."""
    return float(np.mean([of[form].map for of in draws]))


def tables(found: Mapping[Draw, OfForms], groups: Mapping[str, Groups]) -> Iterator[str]:
    """Yield the lines of three tables.

    Args:
        found: of each draw what each form got.
        groups: of the test clips of each set that is not made; of a made one each draw has clips of its own.
    """
    of_conditions = by_condition(found)
    forms = [form for form in FORMS if any(form in of for of in found.values())]
    yield from _head(["draws", *(FORMS[form] for form in forms)])
    for condition, draws in of_conditions.items():
        maps = [f"{mean_map(draws, form):.3f}" if form in draws[0] else "" for form in forms]
        yield _row(condition, [str(len(draws)), *maps])
    yield ""
    margins = [(form, others) for form, others in MARGINS if form in forms]
    yield from _head([f"{FORMS[form]}, less {_named(others)}" for form, others in margins])
    for condition, draws in of_conditions.items():
        yield _row(condition, [margin(draws, form, others, groups.get(condition.data)) for form, others in margins])
    yield ""
    yield from _head([f"share, {FORMS[form]}" for form in forms if form.endswith("by_agreement")] + ["partner, pairs"])
    for condition, draws in of_conditions.items():
        shares = [[of[form].share for of in draws] for form in forms if form.endswith("by_agreement")]
        partners = np.mean([of["pairs"].partner for of in draws])
        yield _row(condition, [*(f"{np.mean(np.array(share, float)):.2f}" for share in shares), f"{partners:.2f}"])


def margin(draws: Sequence[OfForms], form: str, others: Sequence[str], groups: Groups | None) -> str:
    """Return a lead in points of MAP over the best of other forms, with its standard error where one can be seen.

    The standard error is over the draws, and where these share their test clips over groups of them too.

    Args:
        draws: of one condition.
        form: that leads.
        others: the one with the highest mean is the one to compare with.
        groups: of the test clips; None: each draw has its own.
    """
    other = max(others, key=lambda name: mean_map(draws, name))
    leads = np.array([np.subtract(of[form].precisions, of[other].precisions) for of in draws])  # (n_draws, n_clips)
    errors = []
    if len(leads) > 1:
        errors.append(leads.mean(axis=1).std(ddof=1) / math.sqrt(len(leads)))
    if groups is not None:
        weights = np.full(leads.shape[1], 1 / leads.shape[1])
        errors.append(float(standard_error(leads.mean(axis=0), weights, groups)))
    return _points(leads, math.hypot(*errors) if errors else math.nan)


def _points(leads: NDArray[np.float64], error: float) -> str:
    """A lead in points of MAP."""
    return f"{100 * leads.mean():+.1f}" + ("" if math.isnan(error) else f" ± {100 * error:.1f}")


def _named(others: Sequence[str]) -> str:
    """What a form is compared with."""
    return FORMS[others[0]] if len(others) == 1 else "the better single loss"


def _head(columns: Sequence[Any]) -> Iterator[str]:
    """The two lines above the rows."""
    yield f"| {' | '.join(['data', 'shared', 'labelled', 'redrawn', *columns])} |"
    yield f"|{'---|' * 4}{'---:|' * len(columns)}"


def _row(condition: LabelCase, cells: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join([*condition.cells(), *cells])} |"
