"""Stage ``separation.clips``: finds the clips of the second pipeline, hashes and splits them; runs every time."""

from pathlib import Path

from stages.cli import run

DECODING = ("sounds", "views")


def main(clips_csv: Path, out: Path) -> None:
    """Write clips.csv and a folder with rejected.csv and the marks that have stages try clips again."""
    from pipeline.clip_jobs.retries import FOLDER, mark_retries
    from pipeline.dataset.base import DatasetParams
    from pipeline.dataset.scan import scan
    from pipeline.dataset.splits import assign_splits
    from pipeline.dataset.summary import summary
    from pipeline.formats import rejects
    from pipeline.formats.clips import write_clips, write_root
    from pipeline.settings.params import load_params

    params = load_params("dataset", DatasetParams)
    (root, clips, refused), _ = scan(params)
    out.mkdir(parents=True, exist_ok=True)
    mark_retries(out / FOLDER, DECODING, out.parent)
    rejects.write(out / rejects.FILE, refused)
    rejects.check_fraction(out / rejects.FILE, refused, len(clips) + len(refused), params.max_rejected_fraction)
    clips = assign_splits(clips, params)
    write_clips(clips_csv, clips)
    write_root(clips_csv, root)
    print(summary(clips, refused))


if __name__ == "__main__":
    run(main)
