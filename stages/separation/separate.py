"""Stage ``separation.separate``: takes the test mixtures apart with one separator, shown their own films and others."""

from pathlib import Path

from stages.cli import run


def main(clips_csv: Path, sounds: Path, views: Path, mixtures: Path, name: str, separators: Path, out: Path) -> None:
    """Write shards of the estimates (n_seeds, n_sources, n_samples) int16 and their scales."""
    from pipeline.formats.clips import read_clips
    from pipeline.formats.provenance import read_provenance, write_provenance
    from pipeline.separation.heard import heard_clips
    from pipeline.separation.locating import write_located
    from pipeline.separation.material import Material
    from pipeline.separation.mixtures import read_mixtures
    from pipeline.separation.parts.seeds import load_separators
    from pipeline.separation.separating import write_embeddings, write_separated
    from pipeline.separation.sounds import SoundsParams
    from pipeline.separation.views import ViewsParams
    from pipeline.settings.params import load_params

    heard, seen = load_params("sounds", SoundsParams), load_params("views", ViewsParams)
    clips = heard_clips(read_clips(clips_csv), sounds, views, heard, seen)
    test = [mixture for mixture in read_mixtures(mixtures) if mixture.split == "test"]
    fits = load_separators(name, separators, clips.facts)
    write_separated(name, fits, Material(clips, test), out)
    write_embeddings(fits, clips, out)
    write_located(fits, clips, out)
    write_provenance(out, read_provenance(separators))


if __name__ == "__main__":
    run(main)
