"""A model is measured again where its fits or the clips are others, and not otherwise."""

from pathlib import Path

import pytest

from pipeline.localise.kept_scores import KeptScores, ModelScores
from tests.localise.test_scores import clips

SCORES = ModelScores({"average": {"exact_start": 1 / 3}}, {"own": {"average": {"exact_start": 0.1}}})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fits(tmp_path: Path) -> Path:
    """The folder of a model of two seeds."""
    folder = tmp_path / "cca"
    folder.mkdir()
    for seed in (0, 1):
        (folder / f"seed-{seed}.safetensors").write_bytes(bytes([seed]))
    return folder


class Measuring:
    """Measures, and counts how often it does."""

    n_times = 0

    def __call__(self) -> ModelScores:
        self.n_times += 1
        return SCORES


def test_the_same_fits_on_the_same_clips_are_measured_once(fits: Path) -> None:
    made, measure = clips(6), Measuring()
    for _ in range(2):
        assert KeptScores(made).of("cca", fits, measure) == SCORES
    assert measure.n_times == 1


@pytest.mark.parametrize("change", ["fit", "seed", "model", "features", "start", "label", "entry"])
def test_what_changes_the_scores_has_them_measured_again(fits: Path, cache: Path, change: str) -> None:
    made, measure, name = clips(6), Measuring(), "cca"
    KeptScores(made).of(name, fits, measure)
    if change == "fit":
        (fits / "seed-0.safetensors").write_bytes(b"other")
    elif change == "seed":
        (fits / "seed-1.safetensors").unlink()
    elif change == "model":
        name = "kcca"
    elif change == "features":
        made[0].audio[0, 0] += 1
    elif change == "start":
        made[0] = made[0]._replace(start=made[0].start + 1)
    elif change == "label":
        made[0] = made[0]._replace(label="z")
    else:
        for entry in cache.rglob("*.safetensors"):
            entry.write_bytes(entry.read_bytes()[:-1] + b"\0")
    assert KeptScores(made).of(name, fits, measure) == SCORES
    assert measure.n_times == 2
