"""What has become worse: fresh ratios against the committed ones of the same kind of processor.

What makes us slower shows beside every other way of a row; what makes another way faster, beside that one alone. So a
row is judged by the middle of its ratios: how much slower we have become.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.bench.results import Beside, MeasuredRow, Measurement, Spread
from benchmarks.bench.turns import BEFORE

ALLOWED = 0.05  # a slowdown that is not worse
SURE = 2.0  # standard errors that a slowdown is beyond noise
UNSTEADY = 0.25  # where no less than this can be told
ERROR_OF_MEDIAN = 0.93  # of n normal numbers, times the distance of their quartiles over the root of n: 1.2533 / 1.349


class Finding(NamedTuple):
    """One line about a row or a ratio.

    Attributes:
        text: what is said.
        is_worse: whether it fails the run; otherwise it is for the reader alone.
    """

    text: str
    is_worse: bool


class Shift(NamedTuple):
    """By how much we have become slower beside a way, or beside the ways of a row.

    Attributes:
        share: 0.06 for 6 %; below 0 where we have become faster.
        least: the share that can be told from noise.
    """

    share: float
    least: float

    @property
    def is_worse(self) -> bool:
        """Whether it is more than what is allowed, and more than noise."""
        return self.share > max(ALLOWED, self.least)


class RatioPair(NamedTuple):
    """A ratio that was measured then and now.

    Attributes:
        name: of what is beside what.
        was: the committed one.
        now: the fresh one.
        shift: by how much we have become slower beside this way.
    """

    name: str
    was: Beside
    now: Beside
    shift: Shift

    @property
    def is_same(self) -> bool:
        """Whether the other way is of the same version."""
        return self.was.version == self.now.version

    @property
    def text(self) -> str:
        """Both ratios in words."""
        return f"{self.name} {_said(self.was)} before, now {_said(self.now)}"


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
            found += [*_missing(row, now[row.name]), *_of_row(row, now[row.name])]
    return found + since_before(fresh)


def since_before(fresh: Measurement) -> list[Finding]:
    """Return which rows are worse than those of the other checkout that took turns."""
    return [
        Finding(f"{row.name}: ours / before {of(ratio)}", True)
        for row in fresh.rows
        if (ratio := row.ratio(BEFORE)) and beside_before(ratio, row.rounds).is_worse
    ]


def suspects(committed: Measurement | None, fresh: Measurement) -> set[str]:
    """Return the names of the rows that seem slower than is allowed, be it noise or not: they deserve a second look."""
    was = {row.name: row for row in committed.rows} if committed else {}
    seem = {row.name: slowdown(pairs(was[row.name], row)) for row in fresh.rows if row.name in was}
    before = {row.name: beside_before(ratio, row.rounds) for row in fresh.rows if (ratio := row.ratio(BEFORE))}
    return {name for of_some in (seem, before) for name, shift in of_some.items() if shift and shift.share > ALLOWED}


def pairs(committed: MeasuredRow, now: MeasuredRow) -> list[RatioPair]:
    """Return the ratios of a row that are there then and now, but those to another checkout; none for other sizes."""
    fresh, found = {one.way: one for one in now.beside}, []
    for was in committed.beside if now.size == committed.size else ():
        one = fresh.get(was.way)
        if was.role != BEFORE and was.ratio and one and one.ratio:
            ends = [_slowness(was.role, ratio) for ratio in (was.ratio, one.ratio)]
            error = math.hypot(_error(was.ratio, committed.rounds), _error(one.ratio, now.rounds))
            found.append(RatioPair(_name(was), was, one, Shift(ends[1] / ends[0] - 1, math.expm1(SURE * error))))
    return found


def slowdown(of_row: Sequence[RatioPair]) -> Shift | None:
    """Return by how much we have become slower in a row: the middle of its ratios to ways of the same version."""
    shifts = [pair.shift for pair in of_row if pair.is_same]
    if not shifts:
        return None
    return Shift(median(shift.share for shift in shifts), median(shift.least for shift in shifts))


def beside_before(ratio: Spread, n_rounds: int) -> Shift:
    """Return by how much we are slower than another checkout that took turns."""
    return Shift(ratio.median - 1, math.expm1(SURE * _error(ratio, n_rounds)))


def of(ratio: Spread) -> str:
    """Return a ratio with the lowest and the highest of its rounds."""
    return f"{ratio.median:.3g} ({ratio.lowest:.3g} to {ratio.highest:.3g})"


def _missing(committed: MeasuredRow, now: MeasuredRow) -> list[Finding]:
    """The ratios that are there no more; without its limit a row says nothing."""
    fresh, found = {one.way: one for one in now.beside}, []
    for was in committed.beside:
        one = fresh.get(was.way)
        if was.role != BEFORE and was.ratio and not (one and one.ratio):
            reason = one.absent if one and one.absent else "was not measured"
            text = f"{committed.name}: {_name(was)} {_said(was)} before, now {reason}"
            found.append(Finding(text, was.role == "limit"))
    return found


def _of_row(committed: MeasuredRow, now: MeasuredRow) -> list[Finding]:
    """What there is to say about a row, and about those ratios that say something else than the row."""
    of_row = pairs(committed, now)
    whole = slowdown(of_row)
    if whole and whole.is_worse:
        said = "; ".join(pair.text for pair in of_row)
        return [Finding(f"{committed.name}: ours worse by {100 * whole.share:.0f} %: {said}", True)]
    found = []
    if whole and whole.least > UNSTEADY:
        least = 100 * whole.least
        found.append(Finding(f"{committed.name}: too unsteady to tell less than {least:.0f} %", False))
    for pair in of_row:
        if pair.shift.is_worse:
            why = "not beside the other ways" if pair.is_same else f"by {pair.was.version} then, {pair.now.version} now"
            found.append(
                Finding(f"{committed.name}: {pair.text}: worse by {100 * pair.shift.share:.0f} %, {why}", False)
            )
    return found


def _slowness(role: str, ratio: Spread) -> float:
    """How slow we are beside a way."""
    return 1 / ratio.median if role == "peer" else ratio.median


def _error(ratio: Spread, n_rounds: int) -> float:
    """The standard error of a ratio's median, as a share of it."""
    lower, upper = ratio.quartiles
    return ERROR_OF_MEDIAN * math.log(upper / lower) / math.sqrt(n_rounds)


def _name(one: Beside) -> str:
    """What is beside what."""
    return f"{one.way} / ours" if one.role == "peer" else f"ours / {one.way}"


def _said(one: Beside) -> str:
    """A ratio that is there."""
    return of(one.ratio) if one.ratio else ""
