"""The page to listen by: which mixtures it plays, what their files hold, and that it says the numbers it was given."""

import io
from base64 import b64decode
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from pipeline.errors import DataError
from pipeline.evaluate.writing import write_csv
from pipeline.formats.shards import write_shards
from pipeline.separation.listening.examples import Example, chosen, write_examples
from pipeline.separation.listening.page import page
from pipeline.separation.material import Material
from pipeline.separation.mixtures import Mixture, Segment
from pipeline.separation.separating import write_separated
from tests.helpers.apart import Blind
from tests.helpers.html_page import Page
from tests.helpers.talkers import FACTS, talking_clips

MIXTURES = [
    Mixture(f"test-{k}", "test", "any", 1.0, (Segment(f"p{k}/0.mp4", 0.2, 0.5), Segment(f"p{k + 1}/1.mp4", 0.4, 0.4)))
    for k in range(5)
]
IMPROVEMENTS = {"test-0": (3, 5), "test-1": (-2, 0), "test-2": (1, 2), "test-3": (9, 0), "test-4": (1, 1)}
PLACES = {"best": "test-3", "median": "test-2", "worst": "test-1"}  # means: 4, -1, 1.5, 4.5, 1


class Halved(Blind):
    """One whose first source is the mixture times a half, and whose second one is silent."""

    def separate(self, mixture: Any, views: Any) -> Any:  # noqa: ANN401 - as the protocol takes them
        return np.stack([mixture / 2, 0 * mixture])


class Written(NamedTuple):
    """A run in a folder, and the examples that were written of it."""

    folder: Path
    material: Material
    examples: list[Example]

    def again(self) -> list[Example]:
        args = (self.folder / "separated", self.folder / "scores.csv")
        return write_examples(self.folder / "report", ["audio_only"], self.material, *args)["audio_only"]

    def files(self) -> dict[str, bytes]:
        report = self.folder / "report"
        return {str(path.relative_to(report)): path.read_bytes() for path in report.rglob("*.wav")}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("run")
    material = Material(talking_clips(folder, 6, "test"), MIXTURES)
    write_separated("audio_only", [Halved()], material, folder / "separated/audio_only")  # type: ignore[list-item]  # a stand-in, of which no more is used
    rows = [
        {"row": "audio_only", "mixture_id": name, "source": source, "si_sdr_improvement": value}
        for name, values in IMPROVEMENTS.items()
        for source, value in enumerate(values)
    ]
    heat = np.zeros((1, 4, 4), np.float32)
    heat[:, 0, 0] = 3.0
    write_shards(folder / "separated/audio_only/located", ["p3/0.mp4"], lambda _: {"heat": heat})
    other = [{"row": "mixture", "mixture_id": "test-0", "source": 0, "si_sdr_improvement": 99}]
    write_csv(folder / "scores.csv", other + rows)
    unfinished = Written(folder, material, [])
    return unfinished._replace(examples=unfinished.again())


def test_the_best_the_middle_and_the_worst_mixture_are_chosen(written: Written) -> None:
    examples = written.examples
    assert {example.place: example.mixture_id for example in examples} == PLACES
    assert [example.improvement for example in examples] == [4.5, 1.5, -1]
    assert [heard.improvement for _, heard in examples[0].sources] == [9, 0]


def test_a_row_that_was_not_measured_has_no_examples() -> None:
    assert chosen([], "amnet") == {}


def test_the_files_hold_mixture_truth_and_estimates(written: Written) -> None:
    example, report = written.examples[0], written.folder / "report"
    references = written.material.clips.references(MIXTURES[3])
    whole = references.sum(axis=0)
    (first, estimate), (second, other) = example.sources
    estimates = [whole / 2, 0 * whole]
    if wavfile.read(report / estimate.file)[1].max() == 0:
        estimates = estimates[::-1]  # which of them is the first one's is found by comparing with the truth
    sounds = [(example.mixture, whole), (first, references[0]), (second, references[1])]
    for heard, expected in [*sounds, (estimate, estimates[0]), (other, estimates[1])]:
        rate, samples = wavfile.read(report / heard.file)
        assert (rate, samples.dtype) == (FACTS.rate, np.int16)
        np.testing.assert_allclose(samples / 32768, expected, atol=2e-4)
        assert heard.spectrogram.startswith("data:image/png;base64,")
    assert first.words == "p3: true"
    assert first.picture.startswith("data:image/jpeg;base64,")
    assert estimate.picture == ""


def test_heat_lies_over_the_picture_of_what_was_located(written: Written) -> None:
    (first, located), (_, other) = written.examples[0].sources
    assert other.heat == ""
    plain, hot = (
        np.asarray(Image.open(io.BytesIO(b64decode(address.partition(",")[2]))), int)
        for address in (first.picture, located.heat)
    )
    warmer = (hot - plain)[..., 0]  # red
    assert warmer[:6, :6].mean() > 60
    assert abs(warmer[20:, 20:]).mean() < 5


@pytest.mark.slow
def test_a_second_time_gives_equal_files(written: Written) -> None:
    held = written.files()
    assert len(held) == 15
    assert written.again() == written.examples
    assert written.files() == held


def test_estimates_of_another_run_are_refused(written: Written, tmp_path: Path) -> None:
    scores = tmp_path / "scores.csv"
    write_csv(scores, [{"row": "audio_only", "mixture_id": "test-9", "si_sdr_improvement": 1}])
    with pytest.raises(DataError, match=r"audio_only: no mixture 'test-9'; expected those of scores\.csv"):
        write_examples(tmp_path, ["audio_only"], written.material, written.folder / "separated", scores)


def metrics() -> dict[str, Any]:
    kinds = {
        "close_pitch": {"si_sdr_improvement": 1.25, "n_mixtures": 2},
        "apart_in_pitch": {"si_sdr_improvement": 3.75, "n_mixtures": 3},
    }
    own = {"si_sdr_improvement": 2.34, "margin": 0.56, "sdr": 3.0, "stoi": 0.876, "by_kind": kinds}
    return {
        "dataset": {"n_test_people": 6},
        "mixtures": {"n_test": 5},
        "rows": {
            "mixture": {
                "si_sdr_improvement": 0.0,
                "margin": 0.0,
                "by_kind": {"close_pitch": {"si_sdr_improvement": -0.02}},
            },
            "audio_only": own | {"permutation": "best"},
        },
        "matching": {"visualvoice": {"auc": 0.741, "margin": 0.0601, "n_pairs": 12}},
        "localisation": {"centre": {"ciou": 0.15, "margin": 0.0, "n_clips": 7}},
    }


def test_the_page_plays_every_file_it_has_and_needs_no_network(written: Written) -> None:
    seen = Page(page("speech", metrics(), {"audio_only": written.examples, "amnet": []}))
    played = {attributes["src"] for name, attributes in seen.elements if name == "audio"}
    assert played == written.files().keys()
    assert all(str(of["src"]).startswith("data:") for name, of in seen.elements if name == "img")
    assert all("alt" in of for name, of in seen.elements if name == "img")
    assert "://" not in seen.source
    ids = {of["id"] for _, of in seen.elements if "id" in of}
    assert all(str(of["href"])[1:] in ids for name, of in seen.elements if name == "a")


def test_the_page_says_the_numbers(written: Written) -> None:
    seen = Page(page("speech", metrics(), {"audio_only": written.examples}))
    heads, mixture, own = seen.table("row")
    assert heads == ["row", "SI-SDR over the mixture, dB", "SDR, dB", "STOI", "apart in pitch", "close pitch"]
    assert mixture == ["mixture", "0.0", "-", "-", "-", "0.0"]  # zero has no sign
    assert own == ["audio_only (in its best order)", "2.3 ± 0.6", "3.0", "0.88", "3.8", "1.2"]
    assert seen.table("faces and voices")[1:] == [["visualvoice", "0.74 ± 0.06", "-", "12"]]
    assert seen.table("where it sounds")[1:] == [["centre", "0.15", "-", "-", "-", "7"]]
    assert "audio_only gains +2.3 dB ± 0.6 of SI-SDR over the mixture." in " ".join(seen.text.split())


def test_names_from_data_are_text(written: Written) -> None:
    nasty = written.examples[0]._replace(mixture_id="<script>alert(1)</script>")
    assert "<script>alert" not in page("speech", metrics(), {"audio_only": [nasty]})
