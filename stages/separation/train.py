"""Stage ``separation.train``: one separator, once for each of its seeds, fitted on mixtures of the train split."""

from pathlib import Path

from stages.cli import run


def main(clips_csv: Path, sounds: Path, views: Path, mixtures: Path, name: str, section: str, out: Path) -> None:
    """Write one file a seed, and history.csv with a row each time the validation loss was looked at."""
    from pipeline.formats.clips import read_clips
    from pipeline.separation.heard import heard_clips
    from pipeline.separation.material import Material, TrainingStream
    from pipeline.separation.mixtures import MixturesParams, read_mixtures
    from pipeline.separation.parts.base import separator_module
    from pipeline.separation.parts.seeds import fit_separators
    from pipeline.separation.sounds import SoundsParams
    from pipeline.separation.views import ViewsParams
    from pipeline.settings.params import load_params

    params = load_params(section, separator_module(name).Params)
    heard, seen = load_params("sounds", SoundsParams), load_params("views", ViewsParams)
    clips = heard_clips(read_clips(clips_csv), sounds, views, heard, seen)
    stream = TrainingStream(clips, load_params("mixtures", MixturesParams))
    validation = [mixture for mixture in read_mixtures(mixtures) if mixture.split == "validation"]
    fit_separators(name, params, stream, Material(clips, validation), out)


if __name__ == "__main__":
    run(main)
