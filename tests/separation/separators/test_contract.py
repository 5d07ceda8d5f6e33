"""What every separator must be: found by its file, bounded, reproducible, saved and read as it was."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from pipeline.errors import DataError, ParamsError
from pipeline.separation.drawing import draw_mixtures
from pipeline.separation.heard import Facts, HeardClips
from pipeline.separation.material import Material, TrainingStream
from pipeline.separation.mixtures import MixturesParams
from pipeline.separation.parts.base import Separator, separator_module, separator_names
from pipeline.separation.parts.learning import SpectrumParams
from pipeline.separation.parts.saved import check_facts, check_needs
from pipeline.separation.parts.seeds import fit_separators, load_separators
from pipeline.separation.separating import views_of
from tests.helpers.separation import SMALL, TASKS, committed_params, committed_section
from tests.helpers.talkers import FACTS, talking_clips

every_separator = pytest.mark.parametrize("name", separator_names())
MIXTURES = MixturesParams(
    seed=0, n_sources=2, kinds={"any": 1.0}, n_validation=2, n_test=2, seconds=1.5, snr_db=(-5, 5), silent_fraction=0.1
)


def params_of(name: str, **changes: Any) -> Any:  # noqa: ANN401 - each separator has its own
    return separator_module(name).Params.model_validate(committed_section(name) | SMALL[name] | changes)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> HeardClips:
    return talking_clips(tmp_path_factory.mktemp("talking"))


@pytest.fixture(scope="module")
def validation(clips: HeardClips) -> Material:
    drawn = draw_mixtures("validation", clips.of_split("train"), clips.sound, FACTS.rate, MIXTURES)
    return Material(clips, drawn.mixtures)


def fitted(name: str, clips: HeardClips, validation: Material, seed: int = 0, **changes: Any) -> Separator:  # noqa: ANN401 - each separator has its own
    separator: Separator = separator_module(name).Separator(params_of(name, **changes), seed)
    separator.fit(TrainingStream(clips, MIXTURES), validation)
    return separator


class Fitted(NamedTuple):
    """A separator after a fit, and the history of the fit."""

    separator: Separator
    history: list[dict[str, float]]


@pytest.fixture(scope="module")
def first_fits(clips: HeardClips, validation: Material) -> Callable[[str], Fitted]:
    """Every separator with seed 0, fitted once for all tests, which change nothing of it."""

    @cache
    def first_fit(name: str) -> Fitted:
        separator: Separator = separator_module(name).Separator(params_of(name), 0)
        return Fitted(separator, separator.fit(TrainingStream(clips, MIXTURES), validation))

    return first_fit


def test_every_file_is_a_separator_with_a_section_in_a_task_of_the_second_pipeline() -> None:
    params = list(map(committed_params, TASKS))
    assert sorted({name for task in params for name in task["separators"]}) == separator_names()
    assert all(section in task for task in params for section in task["separators"].values())


def test_an_unknown_separator_lists_the_known_ones() -> None:
    with pytest.raises(ParamsError, match="separator 'amnetto': no such separator; expected one of amnet, audio_only"):
        separator_module("amnetto")


@every_separator
def test_the_history_says_how_far_it_is_and_the_sounds_have_the_length_of_the_mixture(
    name: str, clips: HeardClips, validation: Material, first_fits: Callable[[str], Fitted]
) -> None:
    separator, history = first_fits(name)
    assert {"loss", "step", "validation_loss"} <= history[0].keys()
    assert all(look.keys() == history[0].keys() for look in history)
    assert history[-1]["step"] == SMALL[name]["steps"]
    for n_samples in (12000, 3001, 500):
        mixture = clips.sound("p0/0.mp4", 0, n_samples)
        sounds = separator.separate(mixture, views_of(validation, validation.mixtures[0]))
        assert (sounds.shape, sounds.dtype) == ((2, n_samples), np.float32)
        assert np.isfinite(sounds).all()


@every_separator
def test_a_mixture_that_is_louder_gives_sounds_that_are_louder(
    name: str, clips: HeardClips, validation: Material, first_fits: Callable[[str], Fitted]
) -> None:
    separator, views = first_fits(name).separator, views_of(validation, validation.mixtures[0])
    mixture = clips.sound("p0/0.mp4", 0, 8000)
    np.testing.assert_allclose(
        separator.separate(4 * mixture, views), 4 * separator.separate(mixture, views), atol=1e-5
    )
    assert (separator.separate(np.zeros(8000, np.float32), views) == 0).all()


@every_separator
def test_equal_seeds_give_equal_files_which_are_read_as_they_were(
    name: str, clips: HeardClips, validation: Material, first_fits: Callable[[str], Fitted], tmp_path: Path
) -> None:
    one, two, other = first_fits(name).separator, *(fitted(name, clips, validation, seed) for seed in (0, 1))
    for separator, file in ((one, "one"), (two, "two"), (other, "other")):
        separator.save(tmp_path / file)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() != (tmp_path / "other").read_bytes()
    mixture, views = clips.sound("p0/0.mp4", 0, 8000), views_of(validation, validation.mixtures[0])
    read = separator_module(name).Separator.load(tmp_path / "one")
    np.testing.assert_array_equal(read.separate(mixture, views), one.separate(mixture, views))


@every_separator
def test_seeds_are_files_of_a_folder(
    name: str, clips: HeardClips, validation: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVR_WORKERS", "1")
    params = params_of(name, seeds=[3, 11], steps=2)
    fit_separators(name, params, TrainingStream(clips, MIXTURES), validation, tmp_path / "fits")
    assert sorted(path.name for path in (tmp_path / "fits").iterdir()) == [
        "history.csv",
        "provenance.json",
        "seed-11.safetensors",
        "seed-3.safetensors",
    ]
    assert [separator.seed for separator in load_separators(name, tmp_path / "fits", FACTS)] == [3, 11]  # type: ignore[attr-defined]  # the protocol has no seed, all separators do
    with pytest.raises(
        ParamsError, match=f"separator '{name}': rate=16000, trained on 8000; expected sounds and views"
    ):
        load_separators(name, tmp_path / "fits", FACTS._replace(rate=16000))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("visualvoice", "separator 'visualvoice' looks at mouth, face; expected it in section views: frames"),
        ("amnet", "separator 'amnet' looks at frames; expected it in section views: face, mouth"),
    ],
)
def test_a_task_that_does_not_cut_what_a_separator_looks_at_is_refused(name: str, message: str) -> None:
    cut = Facts(8000, frames_fps=8.0, frames_size=16) if name == "visualvoice" else Facts(8000, 25.0, 32, 32)
    with pytest.raises(ParamsError, match=message):
        check_needs(name, separator_module(name).Separator.needs, cut)


@pytest.mark.slow
@every_separator
def test_seeds_that_are_fitted_at_the_same_time_have_the_files_of_those_that_follow_each_other(
    name: str, clips: HeardClips, validation: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = params_of(name, seeds=[0, 1, 2])
    for n_workers in ("1", "2"):
        monkeypatch.setenv("AVR_WORKERS", n_workers)
        fit_separators(name, params, TrainingStream(clips, MIXTURES), validation, tmp_path / n_workers)
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert len(files) == 5
    for file in files:
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()


@every_separator
def test_what_is_not_fitted_is_not_saved(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the separator is not fitted; expected `fit` before `save`"):
        separator_module(name).Separator(params_of(name), 0).save(tmp_path / "file")


def test_a_folder_without_fits_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no seed-N.safetensors; expected a folder that the stage `train` wrote"):
        load_separators("audio_only", tmp_path, FACTS)


def test_facts_that_differ_are_all_named() -> None:
    with pytest.raises(ParamsError, match=r"rate=1, trained on 8000, mouth_fps=2, trained on 25.0; expected sounds"):
        check_facts("audio_only", FACTS, FACTS._replace(rate=1, mouth_fps=2.0))


@pytest.mark.parametrize(
    "name", [name for name in separator_names() if issubclass(separator_module(name).Params, SpectrumParams)]
)
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


@every_separator
def test_a_killed_training_of_a_folder_leaves_what_it_goes_on_from_and_a_whole_one_nothing(
    name: str, clips: HeardClips, validation: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, stream = params_of(name, seeds=[0], steps=5), TrainingStream(clips, MIXTURES)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    fit_separators(name, params, stream, validation, whole)
    with monkeypatch.context() as patch:
        patch.setattr(separator_module(name).Separator, "save", _killed)
        with pytest.raises(KeyboardInterrupt):
            fit_separators(name, params, stream, validation, resumed)
    assert len(list((tmp_path / "resumed.checkpoints").iterdir())) >= 1
    fit_separators(name, params, stream, validation, resumed)
    for file in ("seed-0.safetensors", "history.csv"):
        assert (resumed / file).read_bytes() == (whole / file).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["resumed", "whole"]


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_GPU") != "1", reason="no CUDA device"
)
@every_separator
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gpu_trains_and_separates_as_a_cpu_does(
    name: str, precision: str, clips: HeardClips, validation: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted(name, clips, validation, precision=precision).save(tmp_path / "file")
    mixture, views = clips.sound("p0/0.mp4", 0, 8000), views_of(validation, validation.mixtures[0])
    sounds = []
    for device in ("cuda", "cpu"):
        monkeypatch.setenv("AVR_DEVICE", device)
        sounds.append(separator_module(name).Separator.load(tmp_path / "file").separate(mixture, views))
    np.testing.assert_allclose(sounds[0], sounds[1], atol=1e-3)
