"""Stage ``report``: a page about the run that opens without a network."""

from pathlib import Path

from stages.cli import run

PAGE = "index.html"


def main(
    metrics: Path, plots: Path, rejected: Path, clips_csv: Path, models: Path, localisation: Path, out: Path
) -> None:
    """Write the folder of the page, from what the stages before it and params.yaml say about the run."""
    from pipeline.report.inputs import Places, read_inputs
    from pipeline.report.page import page
    from pipeline.report.video_links import link_videos

    text = page(read_inputs(Places(metrics, plots, rejected, clips_csv, models, localisation, out)))
    out.mkdir(parents=True, exist_ok=True)
    (out / PAGE).write_text(text, encoding="utf-8")
    link_videos(clips_csv)
    print(f"report: {out / PAGE} opens in a browser, without a network")


if __name__ == "__main__":
    run(main)
