"""What the folds say of an idea, by the rule of tuning: ahead only by more than one paired standard error."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.tune.choice import FoldCurve, FoldLead, lead, scored


class IdeaRow(NamedTuple):
    """A model without and with an idea.

    Attributes:
        data: name of the set.
        model: its name.
        idea: its name.
        without: MAP of the folds, mean over them and both directions, at the epoch at which their mean is highest; NaN
            where a fit diverged.
        with_it: likewise of the model with the idea, at an epoch of its own.
        ahead: by how much ``with_it`` is above ``without``, in MAP.
    """

    data: str
    model: str
    idea: str
    without: float
    with_it: float
    ahead: FoldLead

    @property
    def verdict(self) -> str:
        """Whether the difference is clear: ``ahead``, ``behind`` or ``no``."""
        if self.ahead.is_clear:
            return "ahead"
        return "behind" if -self.ahead.difference > self.ahead.standard_error else "no"


def judged(data: str, model: str, idea: str, without: Sequence[FoldCurve], with_it: Sequence[FoldCurve]) -> IdeaRow:
    """Return the row of an idea.

    Args:
        data: name of the set.
        model: its name.
        idea: its name.
        without: the curve of each fold.
        with_it: likewise, of the same folds in the same order.
    """
    shipped, tried = (scored(number, {}, curves, has_epochs=True) for number, curves in enumerate((without, with_it)))
    ahead = lead(tried, shipped, len(without))
    return IdeaRow(data, model, idea, shipped.validation_map, tried.validation_map, ahead)


def page(rows: Sequence[IdeaRow]) -> Iterator[str]:
    """Yield the lines of a Markdown table, and what it comes to."""
    yield "| set | model | idea | held-out MAP without | with | difference, points ± SE | clear |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        difference = f"{100 * row.ahead.difference:+.2f} ± {100 * row.ahead.standard_error:.2f}"
        yield (
            f"| {row.data} | `{row.model}` | {row.idea} | {row.without:.3f} | {row.with_it:.3f} | {difference} | "
            f"{row.verdict} |"
        )
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in ("ahead", "behind")}
    yield ""
    yield f"Of {len(rows)} trials {counts['ahead']} are clearly ahead, {counts['behind']} clearly behind."
