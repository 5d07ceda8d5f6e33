"""Stage ``dataset``: finds the clips, hashes their files and splits them; runs every time, as videos are no deps."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.dataset.preflight import check_networks
from pipeline.dataset.summary import report, summary
from stages.cli import run

if TYPE_CHECKING:
    from pipeline.dataset.base import DatasetParams, Found
    from pipeline.formats.feature_table import FeatureTable

REPORT = "report.json"


def main(clips_csv: Path, imported: Path, out: Path) -> None:
    """Write clips.csv, the feature table of a source without videos, and a folder with report.json and rejected.csv."""
    from pipeline.dataset.base import DatasetParams
    from pipeline.dataset.feature_files.imported import with_splits_of
    from pipeline.dataset.splits import assign_splits
    from pipeline.formats import rejects
    from pipeline.formats.clips import write_clips, write_root
    from pipeline.settings.params import load_params

    params = load_params("dataset", DatasetParams)
    (root, clips, refused), table = find(params)
    n_named = len({clip.clip_id for clip in clips} | {row.clip_id for row in refused})
    out.mkdir(parents=True, exist_ok=True)
    rejects.write(out / rejects.FILE, refused)
    rejects.check_fraction(out / rejects.FILE, refused, n_named, params.max_rejected_fraction)
    clips = assign_splits(clips, params)
    write_clips(clips_csv, clips)
    write_root(clips_csv, root)
    with_splits_of(table, clips).save(imported)
    (out / REPORT).write_text(json.dumps(report(clips), indent=2) + "\n", encoding="utf-8")
    print(summary(clips, refused))


def find(params: "DatasetParams") -> "tuple[Found, FeatureTable]":
    """Return the clips of the source with their hashes, and its feature table, which is empty where it has videos."""
    from pipeline.dataset.base import Found, source_module, without_missing
    from pipeline.dataset.feature_files.imported import clips_of
    from pipeline.dataset.file_hashes import with_hashes
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.settings.environment import cache_folder

    module = source_module(params.source)
    if hasattr(module, "import_table"):
        imported = module.import_table(params)
        return Found(params.path or Path(), clips_of(imported), imported.refused), imported.table
    check_networks(params.source)
    found = without_missing(module.find_clips(params))
    clips = with_hashes(found.root, found.clips, cache_folder() / "file_hashes.json")
    return found._replace(clips=clips), FeatureTable.empty()


if __name__ == "__main__":
    run(main)
