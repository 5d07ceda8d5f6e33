"""Stage ``separation.mixtures``: who is mixed with whom in validation and test, when and how loud."""

import json
import sys
from collections import Counter
from pathlib import Path

from stages.cli import run


def main(clips_csv: Path, pairs_csv: Path, sounds: Path, views: Path, mixtures: Path, report: Path) -> None:
    """Write the list of mixtures, and a report of how many could not be made."""
    from pipeline.formats.clips import read_clips
    from pipeline.separation.heard import heard_clips
    from pipeline.separation.mixture_lists import make_lists
    from pipeline.separation.mixtures import MixturesParams, write_mixtures
    from pipeline.separation.sounds import SoundsParams
    from pipeline.separation.views import ViewsParams
    from pipeline.settings.params import load_params

    params = load_params("mixtures", MixturesParams)
    heard, seen = load_params("sounds", SoundsParams), load_params("views", ViewsParams)
    clips = heard_clips(read_clips(clips_csv), sounds, views, heard, seen)
    made = make_lists(clips, clips_csv, pairs_csv, params)
    write_mixtures(mixtures, made.mixtures)
    report.write_text(json.dumps(made.counts, indent=2) + "\n", encoding="utf-8")
    for line in made.warnings:
        print(f"mixtures: {line}", file=sys.stderr)
    splits = Counter(mixture.split for mixture in made.mixtures)
    print(f"mixtures: {', '.join(f'{count} {split}' for split, count in splits.items())}")


if __name__ == "__main__":
    run(main)
