"""Stage ``separation.clips``: finds the clips of the second pipeline, hashes and splits them; runs every time."""

import sys
from pathlib import Path

from stages.cli import run

DECODING = ("sounds", "views")


def main(clips_csv: Path, out: Path) -> None:
    """Write clips.csv, and a folder of rejected.csv, pairs.csv, boxes.csv and marks by which clips are tried again."""
    from pipeline.clip_jobs.retries import FOLDER, mark_retries
    from pipeline.dataset.base import DatasetParams
    from pipeline.dataset.leakage import leakage_warnings
    from pipeline.dataset.scan import scan
    from pipeline.dataset.splits import assign_splits
    from pipeline.dataset.summary import summary
    from pipeline.formats import rejects
    from pipeline.formats.clips import write_clips, write_root
    from pipeline.separation.boxes import FILE as BOXES
    from pipeline.separation.boxes import copy_boxes
    from pipeline.separation.mixtures import MixturesParams
    from pipeline.separation.pairs import check_ready_made, read_pairs, with_test_clips, write_pairs
    from pipeline.settings.params import load_params

    params, mixtures = load_params("dataset", DatasetParams), load_params("mixtures", MixturesParams)
    (root, clips, refused), _ = scan(params)
    if mixtures.source == "list":
        check_ready_made(clips)
    out.mkdir(parents=True, exist_ok=True)
    mark_retries(out / FOLDER, DECODING, out.parent)
    rejects.write(out / rejects.FILE, refused)
    rejects.check_fraction(out / rejects.FILE, refused, len(clips) + len(refused), params.max_rejected_fraction)
    pairs = read_pairs(mixtures.pairs, clips, refused) if mixtures.pairs else []
    write_pairs(out / "pairs.csv", pairs)
    clips = assign_splits(with_test_clips(clips, pairs) if pairs else clips, params)
    for line in leakage_warnings(clips):
        print(f"clips: {line}", file=sys.stderr)
    write_clips(clips_csv, clips)
    write_root(clips_csv, root)
    copy_boxes(root, [clip.clip_id for clip in clips], out / BOXES)
    print(summary(clips, refused))


if __name__ == "__main__":
    run(main)
