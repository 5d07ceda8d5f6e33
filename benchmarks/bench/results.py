"""The measured ratios: how they are made of the turns, and the file that holds those of each kind of processor."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from benchmarks.bench import roof
from benchmarks.bench.turns import BEFORE, Turns, version_of
from benchmarks.bench.ways import OURS, BenchRow, Precision
from pipeline.errors import DataError
from pipeline.formats.files import write_atomically

FILE = Path(__file__).parents[1] / "results.json"
DIGITS = 5  # of what is written: more would say nothing


class Noted(BaseModel):
    """What is read from the file is checked, and nothing in it is changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Spread(Noted):
    """A ratio over the rounds.

    Attributes:
        median: the number that counts.
        lowest: of all rounds.
        highest: likewise.
        quartiles: between which half of the rounds lie.
    """

    median: float
    lowest: float
    highest: float
    quartiles: tuple[float, float]


class ItemWork(Noted):
    """What an item takes by arithmetic: as ``ways.CountedWork``."""

    operations: float
    n_bytes: float
    precision: Precision


class Roof(Noted):
    """What one core can do at most, measured in the same run: before each group that has points, and at the end.

    Attributes:
        float32: 10^9 operations a second, of large matrix products in single precision.
        float64: likewise in double precision.
        triad: 10^9 bytes a second, read and written, of arrays that no cache holds.
    """

    float32: Spread
    float64: Spread
    triad: Spread


class Beside(Noted):
    """What a row says about another way.

    Attributes:
        way: its name.
        role: ``peer``: the ratio is peer / ours, and more is better; ``limit`` and ``before``: it is ours / limit or
            ours / before, and less is better.
        version: of the package or program.
        ratio: taken within each round; None where it was not measured.
        absent: why not.
        difference: from our outcome, as a share of what is allowed; None where nothing is compared.
    """

    way: str
    role: Literal["peer", "limit", "before"]
    version: str | None = None
    ratio: Spread | None = None
    absent: str = ""
    difference: float | None = None


class MeasuredRow(Noted):
    """A row of the table; what is not explained here is as in ``ways.BenchRow``.

    Attributes:
        revision: of the project that was measured; rows may be of several, as some can be measured again alone.
        rounds: how often each way was measured, each time in a new process.
        ours: median milliseconds of processor time of an item.
        milliseconds: likewise of each way that was measured.
        points: milliseconds of the whole, by way and number of items, where a row has several.
        work: of an item, by way, of those that count it.
        beside: the other ways.
    """

    name: str
    group: str
    what: str
    unit: str
    size: dict[str, int]
    revision: str
    rounds: int
    ours: float
    milliseconds: dict[str, float]
    points: dict[str, dict[int, float]] = {}
    work: dict[str, ItemWork] = {}
    beside: tuple[Beside, ...]

    def ratio(self, way: str) -> Spread | None:
        """Return the ratio beside a way; None where there is none."""
        return next((one.ratio for one in self.beside if one.way == way), None)


class Measurement(Noted):
    """One run on one machine.

    Attributes:
        processor: what it calls itself.
        date: of the last run, YYYY-MM-DD.
        before: revision of the other checkout, if there was one.
        versions: by package or program.
        rows: in the order of the table.
        roof: None where it was not measured.
        minutes: on the clock, of a run of all rows; None where some were measured again alone.
    """

    processor: str
    date: str
    before: str | None
    versions: dict[str, str]
    rows: tuple[MeasuredRow, ...]
    roof: Roof | None = None
    minutes: float | None = None

    @property
    def revisions(self) -> dict[str, list[str]]:
        """The groups of the rows of each revision."""
        found: dict[str, list[str]] = {}
        for row in self.rows:
            groups = found.setdefault(row.revision, [])
            groups += [row.group] if row.group not in groups else []
        return found


Kinds = dict[str, Measurement]
_ADAPTER: TypeAdapter[Kinds] = TypeAdapter(Kinds)


def measured(row: BenchRow, turns: Turns, revision: str) -> MeasuredRow:
    """Return what the turns say about a row, and of which revision of the project."""
    milliseconds = {name: rounded(1e3 * float(np.median(seconds))) for name, seconds in turns.seconds.items()}
    work = {
        way: ItemWork(operations=rounded(found.operations), n_bytes=rounded(found.n_bytes), precision=found.precision)
        for way, found in turns.work.items()
    }
    others = [_beside(way.name, way.role, way.needs, turns) for way in row.ways if way.name != OURS]
    if BEFORE in turns.seconds or BEFORE in turns.absent:
        others.append(_beside(BEFORE, BEFORE, "", turns))
    return MeasuredRow(
        name=row.name, group=row.group, what=row.what, unit=row.unit, size=dict(row.size), rounds=row.rounds,
        revision=revision, ours=milliseconds[OURS], milliseconds=milliseconds, beside=tuple(others), work=work,
        points={way: {n: rounded(1e3 * s) for n, s in found.items()} for way, found in turns.points.items()},
    )  # fmt: skip


def roof_of(times: Sequence[Turns]) -> Roof:
    """Return the rates of the row ``roof``, whose items are 10^9 operations or bytes, from several times of a run."""
    rounds = {way: [one for turns in times for one in turns.seconds[way]] for way in times[0].seconds}
    rates = {way: spread([float(1 / np.median(seconds)) for seconds in found]) for way, found in rounds.items()}
    return Roof(float32=rates[roof.FLOAT32], float64=rates[roof.FLOAT64], triad=rates[roof.TRIAD])


def spread(ratios: Sequence[float]) -> Spread:
    """Return the median and the spread of a ratio.

    >>> spread([1.0, 2.0, 4.0]).quartiles
    (1.5, 3.0)
    """
    lower, median, upper = np.quantile(ratios, [0.25, 0.5, 0.75])
    ends = rounded(min(ratios)), rounded(max(ratios))
    return Spread(median=rounded(median), lowest=ends[0], highest=ends[1], quartiles=(rounded(lower), rounded(upper)))


def rounded(number: float) -> float:
    """Return a number with the digits that are written."""
    return float(f"{number:.{DIGITS}g}")


def read(path: Path = FILE) -> Kinds:
    """Return the measurement of each kind of processor; none where there is no file.

    Raises:
        DataError: the file is another one.
    """
    if not path.exists():
        return {}
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(f"{path}: {error.errors()[0]['msg']}; expected what `make bench WRITE=1` writes") from error


def write(kinds: Mapping[str, Measurement], path: Path = FILE) -> None:
    """Write the file."""
    content = {kind: measurement.model_dump(mode="json") for kind, measurement in sorted(kinds.items())}
    write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def merged(old: Measurement | None, new: Measurement) -> Measurement:
    """Return a new measurement with the old one's rows where the new one, of some rows only, has none."""
    if old is None:
        return new
    fresh = {row.name: row for row in new.rows}
    names = [row.name for row in old.rows] + [name for name in fresh if name not in {row.name for row in old.rows}]
    rows = {row.name: row for row in old.rows} | fresh
    kept = {
        "rows": tuple(rows[name] for name in names),
        "versions": old.versions | new.versions,
        "roof": new.roof or old.roof,
        "minutes": new.minutes if rows.keys() == fresh.keys() else None,
    }
    return new.model_copy(update=kept)


def _beside(name: str, role: str, needs: str, turns: Turns) -> Beside:
    """What is said about one other way."""
    about = {"way": name, "role": role, "version": version_of(needs) if needs else None}
    if name not in turns.seconds:
        return Beside(**about, absent=turns.absent[name])
    rounds = zip(turns.seconds[OURS], turns.seconds[name], strict=True)
    ours_beside = [float(np.median(np.divide(ours, other))) for ours, other in rounds]
    ratios = [1 / ratio for ratio in ours_beside] if role == "peer" else ours_beside
    return Beside(**about, ratio=spread(ratios), difference=turns.differences.get(name))
