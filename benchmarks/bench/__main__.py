"""Measure every step beside its peers and its limit, and compare the ratios with those that are committed.

The ways of a row have a process each and take turns. Exit code 1: a row has become worse by more than 5 % beyond what
its rounds vary by, or could not be measured, as a way gives other results than ours or a limit does not run. The other
rows are measured in any case, and with --write those of a group are kept as soon as it is finished.
"""

import argparse
import dataclasses
import datetime
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.bench.groups import GROUPS, rows_of

if TYPE_CHECKING:
    from benchmarks.bench.results import Measurement
    from benchmarks.bench.ways import BenchRow

ROOT = Path(__file__).parents[2]
RESULTS = "benchmarks/results.json"
AGAIN = 3  # times as many rounds of a row that seems worse


class BenchRun(NamedTuple):
    """What a run has found.

    Attributes:
        measurement: of the rows that could be measured.
        failures: a line on each of the others.
    """

    measurement: "Measurement"
    failures: list[str]


def main() -> None:
    """Run the command line."""
    arguments = _arguments()
    from pipeline.errors import PipelineError

    try:
        keep = written if arguments.write else no_file
        rows = list(rows_of(arguments.rows, arguments.quick))
        run = measure(rows, arguments.against, keep)
        run = run if arguments.write else looked_at_again(run, rows, arguments.against)
        sys.exit(finish(run, arguments.rows, arguments.write))
    except PipelineError as error:
        sys.exit(f"bench: {type(error).__name__}: {error}")


def no_file(measurement: "Measurement") -> None:
    """Keep nothing of a group that is finished."""


def measure(
    rows: "Sequence[BenchRow]",
    before: Path | None,
    keep: "Callable[[Measurement], None]" = no_file,
    *,
    with_roof: bool = True,
) -> BenchRun:
    """Return what some rows take, and say on stderr which one is measured.

    Args:
        rows: those of a group behind each other.
        before: another checkout whose ways take turns too.
        keep: is given, after each group, what is finished.
        with_roof: measure what one core can do at most too, if a row asks for it.
    """
    from benchmarks.bench import machine, roofline, turns
    from benchmarks.bench.results import MeasuredRow, Measurement, measured, roof_of
    from benchmarks.bench.roof import row as of_roof
    from pipeline.errors import DataError

    found, failures = list[MeasuredRow](), list[str]()
    began = time.monotonic()
    revisions = revision(ROOT), revision(before) if before else None  # before anything is written
    roofs = list[turns.Turns]()

    def so_far() -> Measurement:
        return Measurement(
            processor=machine.processor(),
            date=datetime.date.today().isoformat(),
            before=revisions[1],
            versions=machine.versions({way.needs for row in rows for way in row.ways if way.needs}),
            rows=tuple(found),
            roof=roof_of(roofs) if roofs else None,
            minutes=round((time.monotonic() - began) / 60, 1),
        )

    for group, of_group in groupby(enumerate(rows, 1), lambda numbered: numbered[1].group):
        if with_roof and any(row.group == group and row.name in roofline.ROWS for row in rows):
            roofs.append(turns.measure(of_roof()))
        for number, row in of_group:
            print(f"{number} of {len(rows)}: {row.what}", end="", file=sys.stderr, flush=True)
            start = time.monotonic()
            try:
                found.append(measured(row, turns.measure(row, before.resolve() if before else None), revisions[0]))
            except DataError as error:
                failures.append(str(error))
                print(f": {error}", end="", file=sys.stderr)
            print(f", {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        keep(so_far())
    roofs += [turns.measure(of_roof())] if roofs else []
    return BenchRun(so_far(), failures)


def looked_at_again(run: BenchRun, rows: "Sequence[BenchRow]", before: Path | None, folder: Path = ROOT) -> BenchRun:
    """Return a run whose rows that seem worse were measured again, in more rounds: on a busy machine some always do."""
    from benchmarks.bench import machine, regressions, results

    names = regressions.suspects(results.read(folder / RESULTS).get(machine.this_kind()), run.measurement)
    again = [dataclasses.replace(row, rounds=AGAIN * row.rounds) for row in rows if row.name in names]
    if not again:
        return run
    print(f"{len(again)} of {len(rows)} rows seem worse and are measured again", file=sys.stderr)
    second = measure(again, before, with_roof=False)
    fresh = {row.name: row for row in second.measurement.rows}
    looked_at = tuple(fresh.get(row.name, row) for row in run.measurement.rows)
    return BenchRun(run.measurement.model_copy(update={"rows": looked_at}), run.failures + second.failures)


def finish(run: BenchRun, groups: Sequence[str], is_written: bool, folder: Path = ROOT) -> int:
    """Print the table, write or compare the ratios, and return the exit code.

    Args:
        run: on this machine.
        groups: that were asked for.
        is_written: whether the results and the page become those of this run.
        folder: of the project whose files are read and written.
    """
    from benchmarks.bench import machine, page, regressions, results

    kind, kinds = machine.this_kind(), results.read(folder / RESULTS)
    print(f"{kind}; load average of the minute before: {os.getloadavg()[0]:.2f}")
    print(page.table(run.measurement))
    for failure in run.failures:
        print(f"FAILED: {failure}")
    if is_written:
        written(run.measurement, folder)
        return int(bool(run.failures))
    if kind not in kinds:
        print(f"no committed ratios of this kind of processor ({kind}), only of: {', '.join(kinds) or 'none'}")
        return int(bool(run.failures))
    found = regressions.findings(kinds[kind], run.measurement, groups)
    for finding in found:
        print(f"{'WORSE' if finding.is_worse else 'note'}: {finding.text}")
    return int(bool(run.failures) or any(finding.is_worse for finding in found))


def written(measurement: "Measurement", folder: Path = ROOT) -> None:
    """Write the results and the page of a project, in which rows that were not measured keep their numbers."""
    from benchmarks.bench import machine, page, results

    kind, kinds = machine.this_kind(), results.read(folder / RESULTS)
    if measurement.rows:
        kinds = kinds | {kind: results.merged(kinds.get(kind), measurement)}
        results.write(kinds, folder / RESULTS)
        page.write_page(kinds, folder / "docs")


def revision(checkout: Path) -> str:
    """Return the short hash of a checkout's revision, with a mark where code differs from it.

    The pages and the results are no code: a run that writes them measures the same revision to its end.
    """
    ask = partial(subprocess.run, cwd=checkout, capture_output=True, text=True)
    found = ask(["git", "rev-parse", "--short", "HEAD"])
    differs = ask(["git", "diff", "--quiet", "HEAD", "--", ".", ":!docs", f":!{RESULTS}"])
    return found.stdout.strip() + ("-dirty" if differs.returncode else "") if not found.returncode else "unknown"


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--rows", type=_groups, default=list(GROUPS), help=f"of {','.join(GROUPS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes: whether it runs, not what it takes")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="whose ways of ours take turns too")
    parser.add_argument("--write", action="store_true", help="write results.json, docs/performance.md and its pictures")
    return parser.parse_args()


def _groups(text: str) -> list[str]:
    """Names of groups, separated by commas."""
    names = text.split(",")
    if unknown := [name for name in names if name not in GROUPS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r}; expected some of {','.join(GROUPS)}")
    return names


if __name__ == "__main__":
    main()
