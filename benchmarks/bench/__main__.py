"""Measure every step beside its peers and its limit, and compare the ratios with those that are committed.

The ways of a row have a process each and take turns. Exit code 1: a ratio has become worse by more than 5 % beyond its
spread, or a way gives other results than ours.
"""

import argparse
import datetime
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench.groups import GROUPS, rows_of

if TYPE_CHECKING:
    from benchmarks.bench.results import Measurement

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Run the command line."""
    arguments = _arguments()
    from pipeline.errors import PipelineError

    try:
        measurement = measure(arguments.rows, arguments.quick, arguments.against)
        sys.exit(finish(measurement, arguments.rows, arguments.write))
    except PipelineError as error:
        sys.exit(f"bench: {type(error).__name__}: {error}")


def measure(groups: Sequence[str], is_quick: bool, before: Path | None) -> "Measurement":
    """Return what the rows of some groups take, and say on stderr which one is measured.

    Raises:
        DataError: a way gives other results than ours, or cannot do the work though it is no peer.
    """
    from benchmarks.bench import machine, turns
    from benchmarks.bench.results import Measurement, measured

    rows, found = list(rows_of(groups, is_quick)), []
    for number, row in enumerate(rows, 1):
        print(f"{number} of {len(rows)}: {row.what}", end="", file=sys.stderr, flush=True)
        start = time.monotonic()
        taken = turns.measure(row, before.resolve() if before else None)
        found.append(measured(row, taken, revision(ROOT)))
        print(f", {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return Measurement(
        processor=machine.processor(),
        date=datetime.date.today().isoformat(),
        before=revision(before) if before else None,
        versions=machine.versions({way.needs for row in rows for way in row.ways if way.needs}),
        rows=tuple(found),
    )


def finish(measurement: "Measurement", groups: Sequence[str], is_written: bool, folder: Path = ROOT) -> int:
    """Print the table, write or compare the ratios, and return the exit code.

    Args:
        measurement: of this machine.
        groups: that were asked for.
        is_written: whether the results and the page become those of this measurement.
        folder: of the project whose files are read and written.
    """
    from benchmarks.bench import machine, page, regressions, results

    file, kind = folder / "benchmarks/results.json", machine.this_kind()
    kinds = results.read(file)
    print(f"{kind}; load average of the minute before: {os.getloadavg()[0]:.2f}")
    print(page.table(measurement))
    if is_written:
        kinds = kinds | {kind: results.merged(kinds.get(kind), measurement)}
        results.write(kinds, file)
        page.write_page(kinds, folder / "docs")
        return 0
    if kind not in kinds:
        print(f"no committed ratios of this kind of processor ({kind}), only of: {', '.join(kinds) or 'none'}")
        return 0
    found = regressions.findings(kinds[kind], measurement, groups)
    for finding in found:
        print(f"{'WORSE' if finding.is_worse else 'note'}: {finding.text}")
    return int(any(finding.is_worse for finding in found))


def revision(checkout: Path) -> str:
    """Return the short hash of a checkout's revision, with a mark where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


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
