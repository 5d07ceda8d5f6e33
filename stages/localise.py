"""Stage ``localise``: where in one modality of a test clip the event is that was cut from the other, by every model."""

from pathlib import Path

from stages.cli import run


def main(clips_csv: Path, pca: Path, audio: Path, visual: Path, models: Path, localisation: Path) -> None:
    """Write localisation.json; where no test clip has the times of an event, it says so."""
    from pipeline.evaluate.writing import write_json
    from pipeline.features.clip_vectors import FeaturesParams
    from pipeline.features.pca import load_pca
    from pipeline.formats.clips import read_clips
    from pipeline.localise import results
    from pipeline.localise.clip_seconds import read_seconds
    from pipeline.settings.params import load_params, model_sections

    params = load_params("features", FeaturesParams)
    clips = read_seconds(read_clips(clips_csv), {"audio": audio, "visual": visual}, params, load_pca(pca))
    report = results.report(models, model_sections(), clips)
    write_json(localisation, report)
    print(results.in_words(report, localisation))


if __name__ == "__main__":
    run(main)
