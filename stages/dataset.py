"""Stage ``dataset``: finds the clips, hashes their files and splits them; runs every time, as videos are no deps."""

import json
from pathlib import Path

from stages.cli import run

REPORT = "report.json"
DECODING = ("logmel", "frames")


def main(clips_csv: Path, imported: Path, out: Path) -> None:
    """Write clips.csv, the feature table of a source without videos, and a folder of report.json and rejected.csv.

    The folder also holds the marks that have stages try clips again.
    """
    from pipeline.clip_jobs.retries import FOLDER, mark_retries
    from pipeline.dataset.feature_files.imported import with_splits_of
    from pipeline.dataset.preflight import check_main_job
    from pipeline.dataset.scan import scan
    from pipeline.dataset.splits import assign_splits
    from pipeline.dataset.summary import check_classes_left, report, summary
    from pipeline.dataset.windows import WindowedParams, in_windows
    from pipeline.formats import rejects
    from pipeline.formats.clips import write_clips, write_root
    from pipeline.network_parts.base import network_lines
    from pipeline.settings.params import load_params

    params = load_params("dataset", WindowedParams)
    check_main_job(params.source)
    found, table = scan(params)
    root, clips, refused = found
    n_named = len({clip.clip_id for clip in clips} | {row.clip_id for row in refused})
    out.mkdir(parents=True, exist_ok=True)
    mark_retries(out / FOLDER, [*DECODING, *network_lines()], out.parent)
    rejects.write(out / rejects.FILE, refused)
    rejects.check_fraction(out / rejects.FILE, refused, n_named, params.max_rejected_fraction)
    check_classes_left(clips, refused, out / rejects.FILE)
    clips = assign_splits(in_windows(found, params).clips, params)
    write_clips(clips_csv, clips)
    write_root(clips_csv, root)
    with_splits_of(table, clips).save(imported)
    (out / REPORT).write_text(json.dumps(report(clips), indent=2) + "\n", encoding="utf-8")
    print(summary(clips, refused))


if __name__ == "__main__":
    run(main)
