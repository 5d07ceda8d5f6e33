"""Stage ``separation.evaluate``: how good each separator is on the test mixtures, beside what bounds it."""

from pathlib import Path

from stages.cli import run


def main(
    clips_csv: Path,
    clips_folder: Path,
    sounds: Path,
    views: Path,
    mixtures: Path,
    report: Path,
    separated: Path,
    scores: Path,
    metrics: Path,
) -> None:
    """Write metrics.json, and a table of the scores of every source of every test mixture."""
    from pipeline.evaluate.writing import write_csv, write_json
    from pipeline.formats.clips import read_clips
    from pipeline.separation.boxes import FILE as BOXES
    from pipeline.separation.heard import heard_clips
    from pipeline.separation.material import Material
    from pipeline.separation.measures.measuring import measure
    from pipeline.separation.measures.report import in_words, metrics_of
    from pipeline.separation.measures.scores import EvaluateSeparationParams, score_rows
    from pipeline.separation.mixtures import read_mixtures
    from pipeline.separation.sounds import SoundsParams
    from pipeline.separation.views import ViewsParams
    from pipeline.settings.params import load_params, model_sections

    params = load_params("evaluate", EvaluateSeparationParams)
    heard, seen = load_params("sounds", SoundsParams), load_params("views", ViewsParams)
    clips = heard_clips(read_clips(clips_csv), sounds, views, heard, seen)
    test = [mixture for mixture in read_mixtures(mixtures) if mixture.split == "test"]
    names = list(model_sections(key="separators"))
    measured = measure(names, separated, Material(clips, test), clips_folder / BOXES, params)
    content = metrics_of(measured, params, clips, report, [clips_folder, sounds, views])
    write_csv(scores, score_rows(measured.scores))
    write_json(metrics, content)
    print(in_words(content["rows"]))


if __name__ == "__main__":
    run(main)
