"""What every separator must be: found by its file, bounded, reproducible, saved and read as it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.errors import DataError, ParamsError
from pipeline.separation.material import Facts, HeardClips, Material, TrainingStream
from pipeline.separation.mixtures import MixturesParams, draw_mixtures
from pipeline.separation.parts.base import Separator, separator_module, separator_names
from pipeline.separation.parts.saved import check_facts
from pipeline.separation.parts.seeds import fit_separators, load_separators
from pipeline.separation.separating import views_of
from tests.helpers.separation import PARAMS_FILE, SMALL
from tests.helpers.talkers import FACTS, talking_clips

every_separator = pytest.mark.parametrize("name", separator_names())
MIXTURES = MixturesParams(
    seed=0, n_sources=2, kinds={"any": 1.0}, n_validation=2, n_test=2, seconds=1.5, snr_db=(-5, 5), silent_fraction=0.1
)


def params_of(name: str, **changes: Any) -> Any:  # noqa: ANN401 - each separator has its own
    section = yaml.safe_load(PARAMS_FILE.read_text())[name]
    return separator_module(name).Params.model_validate(section | SMALL[name] | changes)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> HeardClips:
    return talking_clips(tmp_path_factory.mktemp("talking"))


@pytest.fixture(scope="module")
def validation(clips: HeardClips) -> Material:
    drawn = draw_mixtures("validation", clips.of_split("train"), clips.sound, FACTS.rate, MIXTURES)
    return Material(clips, drawn.mixtures)


def fitted(name: str, clips: HeardClips, validation: Material, seed: int = 0, **changes: Any) -> Separator:  # noqa: ANN401
    separator: Separator = separator_module(name).Separator(params_of(name, **changes), seed)
    separator.fit(TrainingStream(clips, MIXTURES), validation)
    return separator


def test_every_file_is_a_separator_with_a_section_of_the_second_pipeline() -> None:
    params = yaml.safe_load(PARAMS_FILE.read_text())
    assert list(params["separators"]) == separator_names()
    assert all(section in params for section in params["separators"].values())


def test_an_unknown_separator_lists_the_known_ones() -> None:
    with pytest.raises(ParamsError, match="separator 'amnetto': no such separator; expected one of audio_only"):
        separator_module("amnetto")


@every_separator
def test_the_history_says_how_far_it_is_and_the_sounds_have_the_length_of_the_mixture(
    name: str, clips: HeardClips, validation: Material
) -> None:
    separator = separator_module(name).Separator(params_of(name), 0)
    history = separator.fit(TrainingStream(clips, MIXTURES), validation)
    assert [sorted(look) for look in history] == [["loss", "step", "validation_loss"]] * len(history)
    assert history[-1]["step"] == SMALL[name]["steps"]
    for n_samples in (12000, 3001, 500):
        mixture = clips.sound("p0/0.mp4", 0, n_samples)
        sounds = separator.separate(mixture, views_of(validation, validation.mixtures[0]))
        assert (sounds.shape, sounds.dtype) == ((2, n_samples), np.float32)
        assert np.isfinite(sounds).all()


@every_separator
def test_a_mixture_that_is_louder_gives_sounds_that_are_louder(
    name: str, clips: HeardClips, validation: Material
) -> None:
    separator, views = fitted(name, clips, validation), views_of(validation, validation.mixtures[0])
    mixture = clips.sound("p0/0.mp4", 0, 8000)
    np.testing.assert_allclose(
        separator.separate(4 * mixture, views), 4 * separator.separate(mixture, views), atol=1e-5
    )
    assert (separator.separate(np.zeros(8000, np.float32), views) == 0).all()


@every_separator
def test_equal_seeds_give_equal_files_which_are_read_as_they_were(
    name: str, clips: HeardClips, validation: Material, tmp_path: Path
) -> None:
    one, two, other = (fitted(name, clips, validation, seed) for seed in (0, 0, 1))
    for separator, file in ((one, "one"), (two, "two"), (other, "other")):
        separator.save(tmp_path / file)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() != (tmp_path / "other").read_bytes()
    mixture, views = clips.sound("p0/0.mp4", 0, 8000), views_of(validation, validation.mixtures[0])
    read = separator_module(name).Separator.load(tmp_path / "one")
    np.testing.assert_array_equal(read.separate(mixture, views), one.separate(mixture, views))


@every_separator
def test_seeds_are_files_of_a_folder(name: str, clips: HeardClips, validation: Material, tmp_path: Path) -> None:
    params = params_of(name, seeds=[3, 11], steps=2)
    fit_separators(name, params, TrainingStream(clips, MIXTURES), validation, tmp_path / "fits")
    assert sorted(path.name for path in (tmp_path / "fits").iterdir()) == [
        "history.csv",
        "seed-11.safetensors",
        "seed-3.safetensors",
    ]
    assert [separator.seed for separator in load_separators(name, tmp_path / "fits", FACTS)] == [3, 11]  # type: ignore[attr-defined]
    with pytest.raises(
        ParamsError, match=f"separator '{name}': rate=16000, trained on 8000; expected sounds and views"
    ):
        load_separators(name, tmp_path / "fits", FACTS._replace(rate=16000))


@every_separator
def test_what_is_not_fitted_is_not_saved(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the separator is not fitted; expected `fit` before `save`"):
        separator_module(name).Separator(params_of(name), 0).save(tmp_path / "file")


def test_a_folder_without_fits_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no seed-N.safetensors; expected a folder that the stage `train` wrote"):
        load_separators("audio_only", tmp_path, FACTS)


def test_facts_that_differ_are_all_named() -> None:
    with pytest.raises(ParamsError, match=r"rate=1, trained on 8000, mouth_fps=2, trained on 25.0; expected sounds"):
        check_facts("audio_only", FACTS, Facts(1, 2.0, 32, 32))


@every_separator
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fft": 300}, "fft=300; expected a power of two from 16"),
        ({"window": 400}, "hop=80, window=400, fft=256; expected hop <= window <= fft"),
        ({"columns": 66}, "multiple of 4"),
        ({"batch_size": 3}, "multiple of 2"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(name: str, changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        params_of(name, **changes)
