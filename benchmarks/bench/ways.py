"""What a row of the table is: ways to do one piece of work, of which one is ours, some are peers, one is a limit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from numpy.typing import NDArray

Role: TypeAlias = Literal["ours", "peer", "limit"]
Precision: TypeAlias = Literal["float32", "float64"]
Computed: TypeAlias = Mapping[str, NDArray[Any]]  # what a way has computed, by name
WorkSize: TypeAlias = Mapping[str, int]  # how large the work is: numbers of clips, rows, queries, ...
Allowed: TypeAlias = Mapping[str, float]  # how far from ours an outcome may be, by name: ``turns.difference``
OURS = "ours"


class Way(NamedTuple):
    """One way to do the work of a row.

    Attributes:
        name: as the table shows it.
        role: ``ours``, a ``peer``, or a ``limit``: what the work cannot do without.
        prepare: name of the function, in the module of the row, that is called with the size and the row's folder in
            the way's own process, and returns a ``Task``.
        needs: names of the package or program that it takes, whose version the table shows.
        bounds: what is compared with our outcome before anything is timed; a limit need not have an outcome.
        environment: variables that the process is started with.
    """

    name: str
    role: Role
    prepare: str
    needs: str = ""
    bounds: Allowed = MappingProxyType({})
    environment: Mapping[str, str] = MappingProxyType({})


class Aim(NamedTuple):
    """What a ratio should be at most.

    Attributes:
        way: the other side of the ratio ours / way.
        most: the ratio.
        reason: why no less is asked for, or what was measured where the aim is missed.
    """

    way: str
    most: float
    reason: str


def no_inputs(folder: Path) -> None:
    """Write nothing: the ways of most rows make their inputs themselves, from fixed seeds."""


@dataclass(frozen=True)
class BenchRow:
    """A row of the table.

    Attributes:
        name: by which it is found again in the committed results.
        group: the rows that are asked for together.
        what: in words.
        unit: of the time of an item, such as ``ms a clip``; milliseconds of processor time in any case.
        module: where the functions of its ways are.
        size: how large the work is; only rows of equal size are compared with the committed ones.
        ways: ours first.
        rounds: how often each way is measured: each time in a process that is started for it.
        aim: what is asked for.
        write_inputs: called once with the row's folder, before any way is prepared.
        runs: how often the ways take turns within a round.
        starts_anew: False where the work is done in processes of its own anyway, and its preparation takes long: the
            processes of the ways then stay for all rounds.
    """

    name: str
    group: str
    what: str
    unit: str
    module: str
    size: WorkSize
    ways: Sequence[Way]
    rounds: int
    aim: Aim | None = None
    write_inputs: Callable[[Path], None] = field(default=no_inputs, compare=False)
    runs: int = 1
    starts_anew: bool = True


class CountedWork(NamedTuple):
    """What an item takes by arithmetic, on whatever machine.

    Attributes:
        operations: additions and multiplications of numbers with a point.
        n_bytes: that are read and written if nothing stays in a cache; ``traffic`` says how they are counted.
        precision: of the numbers that are computed.
    """

    operations: float
    n_bytes: float
    precision: Precision = "float32"

    def times(self, number: float) -> "CountedWork":
        """Return what so many times as much takes."""
        return self._replace(operations=self.operations * number, n_bytes=self.n_bytes * number)


@dataclass(frozen=True)
class Task:
    """Prepared work, whose runs are timed.

    Attributes:
        run: does all of it.
        n_items: clips, queries, ... that a run does.
        outcome: returns what is compared, which need not be timed; None: the run returns it.
        stretch: other numbers of items, fewer to more, and what does so many. Then an item costs what the last of them
            takes above the first, for each item that it does more; ``run`` and ``n_items`` do not count.
        work: counts what an item takes, where that is known; it is asked once, after all is timed.
    """

    run: Callable[[], Computed | None]
    n_items: float
    outcome: Callable[[], Computed] | None = None
    stretch: Sequence[tuple[int, Callable[[], object]]] = ()
    work: Callable[[], CountedWork] | None = None
