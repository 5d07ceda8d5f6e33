"""Stage ``separation.report``: a page to listen to the test mixtures by, which opens without a network."""

from pathlib import Path

from stages.cli import run

PAGE = "index.html"


def main(
    clips_csv: Path, sounds: Path, views: Path, mixtures: Path, separated: Path, scores: Path, metrics: Path, out: Path
) -> None:
    """Write the folder of the page and of the sounds that it plays."""
    from pipeline.errors import DataError, in_words
    from pipeline.formats.clips import read_clips
    from pipeline.separation.heard import heard_clips
    from pipeline.separation.listening.examples import write_examples
    from pipeline.separation.listening.page import page
    from pipeline.separation.material import Material
    from pipeline.separation.mixtures import read_mixtures
    from pipeline.separation.sounds import SoundsParams
    from pipeline.separation.views import ViewsParams
    from pipeline.settings.json_text import parse_json
    from pipeline.settings.params import load_params, model_sections

    heard, seen = load_params("sounds", SoundsParams), load_params("views", ViewsParams)
    test = [mixture for mixture in read_mixtures(mixtures) if mixture.split == "test"]
    material = Material(heard_clips(read_clips(clips_csv), sounds, views, heard, seen), test)
    out.mkdir(parents=True, exist_ok=True)
    examples = write_examples(out, model_sections(key="separators"), material, separated, scores)
    try:
        text = page(Path.cwd().name, dict(parse_json(metrics.read_text(encoding="utf-8"))), examples)
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(f"{metrics}: {in_words(error)}; expected what the stage `evaluate` wrote") from error
    (out / PAGE).write_text(text, encoding="utf-8")
    print(f"report: {out / PAGE} opens in a browser, without a network")


if __name__ == "__main__":
    run(main)
