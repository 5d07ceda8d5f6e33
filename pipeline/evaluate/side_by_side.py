"""Two runs side by side: models, the classes of one of them, and the queries whose answer became right or wrong."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.errors import DataError
from pipeline.evaluate.comparison import ComparedNumber, MetricBounds, compare
from pipeline.evaluate.runs import Run
from pipeline.evaluate.writing import six_digits

WAYS = ("audio_to_visual", "visual_to_audio")
QUERY_COLUMNS = (("clip_id", "direction"), ("average_precision", "first_rank"))


class ComparedClass(NamedTuple):
    """The MAP of a class, the mean of both directions, in two runs.

    Attributes:
        label: its name.
        before: in the one run; None: it has no test clip there.
        after: in the other.
    """

    label: str
    before: float | None
    after: float | None

    @property
    def change(self) -> float | None:
        """How much higher it is after than before; None where it is in one run only."""
        return None if self.before is None or self.after is None else self.after - self.before


class ComparedQuery(NamedTuple):
    """A query whose first result has its class, in every seed, in one of two runs only.

    Attributes:
        clip_id: the clip that was searched for.
        direction: ``audio_to_visual`` or ``visual_to_audio``.
        before: its average precision in the one run, the mean over the seeds.
        after: in the other.
    """

    clip_id: str
    direction: str
    before: float
    after: float


ChangedQueries = tuple[list[ComparedQuery], list[ComparedQuery], int]


class SideBySide(NamedTuple):
    """What is different between two runs.

    Attributes:
        before: name of the one.
        after: name of the other.
        notes: sentences that a reader has to know.
        models: the average MAP of each, with the p-value of a paired test.
        model: the one that the rest is about.
        classes: its classes, the one that lost most first.
        became_wrong: its queries that were right, the one that lost most first.
        became_right: its queries that were wrong, the one that won most first.
        n_queries: how many queries both runs have.
    """

    before: str
    after: str
    notes: Sequence[str]
    models: Sequence[ComparedNumber]
    model: str
    classes: Sequence[ComparedClass]
    became_wrong: Sequence[ComparedQuery]
    became_right: Sequence[ComparedQuery]
    n_queries: int


def side_by_side(before: Run, after: Run, model: str | None = None) -> SideBySide:
    """Return what is different between two runs.

    Where a table of the model is missing, a note says so in place of its classes and queries.

    Args:
        before: the one run.
        after: the other.
        model: whose classes and queries are looked at; None: the first of the one that the other has too.

    Raises:
        DataError: there is no such model in both.
    """
    compared, chosen = compare(after, before, MetricBounds()), _common_model(before, after, model)
    notes = list(compared.notes[1:])
    classes: list[ComparedClass] = []
    queries: ChangedQueries = [], [], 0
    try:
        classes, queries = _classes(before, after, chosen), _changed_queries(before, after, chosen)
    except DataError as error:
        notes.append(f"No classes and queries: {error}.")
    return SideBySide(before.name, after.name, notes, compared.rows, chosen, classes, *queries)


def as_json(of: SideBySide) -> dict[str, Any]:
    """Return all of it as JSON can hold it, floats with six significant digits."""
    maps = {
        row.key.partition(".average.")[0]: {"before": row.before, "after": row.after, "p": row.p} for row in of.models
    }
    lists = {name: [row._asdict() for row in getattr(of, name)] for name in ("classes", "became_wrong", "became_right")}
    rounded: dict[str, Any] = six_digits(of._asdict() | lists | {"models": maps, "notes": list(of.notes)})
    return rounded


def _common_model(before: Run, after: Run, model: str | None) -> str:
    """The model that is asked for, or the first one, if both runs have it."""
    common = [name for name in before.report["models"] if name in after.report["models"]]
    if not common:
        raise DataError(f"{before.name}, {after.name}: no model in common; expected one that both have measured")
    if model and model not in common:
        raise DataError(f"{model}: no model of both runs; expected one of {', '.join(common)}")
    return model or common[0]


def _classes(before: Run, after: Run, model: str) -> list[ComparedClass]:
    """Every class of either run, the one that lost most first, those of one run only last."""
    one, other = (_class_maps(run, model) for run in (before, after))
    rows = [ComparedClass(label, one.get(label), other.get(label)) for label in dict.fromkeys([*one, *other])]
    return sorted(rows, key=lambda row: (row.change is None, row.change or 0.0, row.label))


def _class_maps(run: Run, model: str) -> dict[str, float]:
    """The MAP of each class, the mean of both directions."""
    found = run.numbers("class_map", model, ("class",), WAYS)
    return {label: sum(maps) / len(maps) for (label,), maps in found.items()}


def _changed_queries(before: Run, after: Run, model: str) -> ChangedQueries:
    """The queries of both runs that became wrong, those that became right, and how many both runs have."""
    one, other = (run.numbers("queries", model, *QUERY_COLUMNS) for run in (before, after))
    rows = {key: ComparedQuery(key[0], key[1], one[key][0], other[key][0]) for key in one if key in other}
    was, now = ({key: found[key][1] == 1 for key in rows} for found in (one, other))
    by_loss = sorted(rows, key=lambda key: (rows[key].after - rows[key].before, key))
    wrong = [rows[key] for key in by_loss if was[key] and not now[key]]
    right = [rows[key] for key in reversed(by_loss) if now[key] and not was[key]]
    return wrong, right, len(rows)
