"""What has become worse: fresh ratios against the committed ones of the same kind of processor."""

from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.bench.results import Beside, MeasuredRow, Measurement, Spread

ALLOWED = 0.05  # of a ratio, beyond what its rounds vary by
UNSTEADY = 0.25  # where no less than this can be told


class Finding(NamedTuple):
    """One line about a ratio.

    Attributes:
        text: what is said.
        is_worse: whether it fails the run; otherwise it is for the reader alone.
    """

    text: str
    is_worse: bool


def findings(committed: Measurement, fresh: Measurement, groups: Iterable[str]) -> list[Finding]:
    """Return what there is to say about the rows of some groups, those that have become worse among it."""
    asked, now = set(groups), {row.name: row for row in fresh.rows}
    found: list[Finding] = []
    for row in committed.rows:
        if row.group not in asked:
            continue
        if row.name not in now:
            found.append(Finding(f"{row.name}: has committed ratios, and was not measured", True))
        elif now[row.name].size != row.size:
            found.append(Finding(f"{row.name}: of another size than the committed one: not compared", False))
        else:
            found += _of_row(row, now[row.name])
    return found + since_before(fresh)


def since_before(fresh: Measurement) -> list[Finding]:
    """Return which rows are worse in every round than those of the other checkout that took turns."""
    beside = [(row.name, one) for row in fresh.rows for one in row.beside if one.role == "before"]
    return [
        Finding(f"{name}: ours / before {of(one.ratio)}", True)
        for name, one in beside
        if one.ratio and one.ratio.lowest - 1 > ALLOWED
    ]


def of(ratio: Spread) -> str:
    """Return a ratio with the lowest and the highest of its rounds."""
    return f"{ratio.median:.3g} ({ratio.lowest:.3g} to {ratio.highest:.3g})"


def _of_row(committed: MeasuredRow, now: MeasuredRow) -> list[Finding]:
    """What there is to say about each ratio of a row."""
    fresh = {one.way: one for one in now.beside}
    found = []
    for was in committed.beside:
        if was.ratio and was.role != "before":
            found.append(_of_ratio(committed.name, was, was.ratio, fresh.get(was.way)))
    return [finding for finding in found if finding]


def _of_ratio(row: str, was: Beside, ratio: Spread, now: Beside | None) -> Finding | None:
    """What there is to say about one ratio, if anything."""
    name = f"{row}: {was.way} / ours" if was.role == "peer" else f"{row}: ours / {was.way}"
    if now is None or now.ratio is None:
        reason = now.absent if now and now.absent else "was not measured"
        return Finding(f"{name}: {of(ratio)} before, now {reason}", was.role == "limit")
    worse, least = worsening(was.role, ratio, now.ratio)
    text = f"{name}: {of(ratio)} before, now {of(now.ratio)}"
    if worse > least:
        other = "" if was.version == now.version else f", but by {was.version} then and {now.version} now"
        return Finding(f"{text}: worse by {100 * worse:.0f} %{other}", not other)
    if least > UNSTEADY:
        return Finding(f"{text}: too unsteady to tell less than {100 * least:.0f} %", False)
    return None


def worsening(role: str, was: Spread, now: Spread) -> tuple[float, float]:
    """Return by what share we have become slower beside a way, 0.06 for 6 %, and the least share that can be told.

    It can be told where our best round now is slower than the median before, and the median now slower than our worst
    round before, each by more than ``ALLOWED``.
    """
    (_, median_before, worst_before), (best, median, _) = (_slowness(role, ratio) for ratio in (was, now))
    noise = max(worst_before / median_before, median / best)
    return median / median_before - 1, (1 + ALLOWED) * noise - 1


def _slowness(role: str, ratio: Spread) -> tuple[float, float, float]:
    """How slow we are beside a way in the best round, the middle and the worst."""
    if role == "peer":
        return 1 / ratio.highest, 1 / ratio.median, 1 / ratio.lowest
    return ratio.lowest, ratio.median, ratio.highest
