"""Stage ``report``: a page about the run that opens without a network."""

import csv
import json
from pathlib import Path

from stages.cli import run

PAGE = "index.html"


def main(metrics: Path, plots: Path, rejected: Path, out: Path) -> None:
    """Write the folder of the page, from metrics.json, the folder of tables and the list of rejected clips."""
    from pipeline import report
    from pipeline.formats import rejects

    measured = json.loads(metrics.read_text(encoding="utf-8"))
    tables = {
        table: {name: _read_csv(plots / table / f"{name}.csv") for name in measured["models"]}
        for table in report.TABLES
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / PAGE).write_text(report.page(measured, tables, rejects.read(rejected)), encoding="utf-8")
    print(f"report: {out / PAGE} opens in a browser, without a network")


def _read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    run(main)
