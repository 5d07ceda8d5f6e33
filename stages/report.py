"""Stage ``report``: a page about the run that opens without a network."""

from pathlib import Path

from stages.cli import run

PAGE = "index.html"


def main(metrics: Path, plots: Path, rejected: Path, clips_csv: Path, out: Path) -> None:
    """Write the folder of the page, from what evaluate wrote, the rejected clips and the list of clips."""
    from pipeline import report
    from pipeline.report.inputs import read_inputs

    text = report.page(read_inputs(metrics, plots, rejected, clips_csv))
    out.mkdir(parents=True, exist_ok=True)
    (out / PAGE).write_text(text, encoding="utf-8")
    print(f"report: {out / PAGE} opens in a browser, without a network")


if __name__ == "__main__":
    run(main)
