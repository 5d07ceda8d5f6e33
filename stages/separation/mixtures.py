"""Stage ``separation.mixtures``: who is mixed with whom in validation and test, when and how loud."""

import json
from pathlib import Path

from stages.cli import run


def main(clips_csv: Path, sounds: Path, views: Path, mixtures: Path, report: Path) -> None:
    """Write the list of mixtures, and a report of how many draws were too quiet."""
    from pipeline.formats.clips import read_clips
    from pipeline.separation.material import HeardClips, facts_of
    from pipeline.separation.mixtures import MixturesParams, draw_mixtures, write_mixtures
    from pipeline.separation.sounds import SoundsParams
    from pipeline.separation.views import ViewsParams
    from pipeline.settings.params import load_params

    params = load_params("mixtures", MixturesParams)
    facts = facts_of(load_params("sounds", SoundsParams), load_params("views", ViewsParams))
    clips = HeardClips(read_clips(clips_csv), sounds, views, facts)
    drawn = {
        split: draw_mixtures(split, clips.of_split(split), clips.sound, facts.rate, params)
        for split in ("validation", "test")
    }
    write_mixtures(mixtures, [mixture for found in drawn.values() for mixture in found.mixtures])
    n_quiet = {split: found.n_quiet for split, found in drawn.items()}
    report.write_text(json.dumps({"n_quiet_draws": n_quiet}, indent=2) + "\n", encoding="utf-8")
    print(f"mixtures: {', '.join(f'{len(found.mixtures)} {split}' for split, found in drawn.items())}")


if __name__ == "__main__":
    run(main)
