"""The test clips of a set: they choose nothing, come as they were published, and are counted by groups."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from pipeline.formats.clips import read_clips
from pipeline.formats.feature_table import FeatureTable
from pipeline.model_parts.base import Pairs
from pipeline.models import dscmr
from pipeline.settings.params import load_params
from studies.comparison import fits, jobs, lines, sets, tables
from tests.helpers.compared import BUDGET, SECTIONS, SEEDS, SHIPPED, cells, features, scores, trial_table
from tests.helpers.project import ROOT


def of_pictures(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The means over the two test clips of each picture, (..., n_pictures), of (..., n)."""
    pictures = np.unique(features().rows("test")[1], axis=0, return_inverse=True)[1].ravel()
    return np.stack([values[..., pictures == picture].mean(axis=-1) for picture in range(pictures.max() + 1)], axis=-1)


def test_the_groups_are_the_pictures_and_what_is_not_known_is_said(finished: Path) -> None:
    assert cells(finished, "What chance moves", "tiny") == ["tiny", "36", "18", "18.0", "36", "18", "not known"]
    text = (finished / "docs/results.md").read_text()
    assert "- **tiny**: the file names no sources: where test clips share a voice, a place or a recording," in text


def test_the_spread_within_a_seed_is_that_of_the_pictures(finished: Path) -> None:
    of_clips = scores("c_cca", finished, [0]).mean(axis=(0, 1))
    assert cells(finished, SHIPPED, "`c_cca`")[7] == f"one fit, {stats.sem(of_pictures(of_clips)):.3f}"


def test_an_interval_is_near_that_of_the_normal_distribution_over_pictures(finished: Path) -> None:
    of_clips = scores("c_cca", finished, [0]).mean(axis=(0, 1))
    low, high = map(float, cells(finished, SHIPPED, "`c_cca`")[6].split(" to "))
    half = 1.96 * stats.sem(of_pictures(of_clips))
    assert (low, high) == pytest.approx((of_clips.mean() - half, of_clips.mean() + half), abs=0.25 * half)


def test_p_values_are_those_of_a_paired_permutation_test_of_the_pictures_times_holms_factors(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished)
    todo = lines.searches(Path("work/sets/tiny.safetensors"), SECTIONS, BUDGET, Path("work"))
    presets = [line for line in lines.set_lines(todo, SEEDS, Path("work")).presets if line.form == "shipped"]
    full, *others = [
        np.mean([tables.read(fit, "scores")[f"{way}.map"] for fit in line.fits for way in fits.DIRECTIONS], axis=0)
        for line in presets
    ]
    options = {"permutation_type": "samples", "n_resamples": 40_000, "vectorized": True, "rng": 1}
    p_values = np.array(
        [stats.permutation_test((of_pictures(full - other),), np.mean, **options).pvalue for other in others]
    )
    highest = 0.0
    for number, i in enumerate(np.argsort(p_values)):
        highest = max(highest, min(1, p_values[i] * (len(others) - number)))
        shown = cells(finished, "What each part is worth", presets[i + 1].name)[2]
        assert float(shown.rstrip(")").split(", ")[1]) == pytest.approx(highest, abs=0.05)


def test_test_rows_play_no_part_in_the_search(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features(noise_in_test=True).save(tmp_path / "tiny.safetensors")
    monkeypatch.chdir(finished)
    monkeypatch.setenv("AVR_WORKERS", "1")
    todo = lines.searches(tmp_path / "tiny.safetensors", SECTIONS, BUDGET, tmp_path)
    jobs.run(jobs.search, todo)
    for name in SECTIONS:
        noisy, clean = (trial_table(work, name).read_text().splitlines() for work in (tmp_path, finished / "work"))
        assert noisy[1:] == clean[1:]  # the first line names the features


@pytest.mark.parametrize("patience", [None, 1])
def test_a_fit_is_that_of_all_validation_rows_whether_they_stop_it_or_not(
    patience: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features().save(tmp_path / "tiny.safetensors")
    params = load_params("baselines.dscmr", dscmr.Params, ROOT / "params.yaml")
    params = params.model_copy(update={"epochs": 30, "patience": patience})
    text = json.dumps(params.model_dump(mode="json"))
    fit = fits.Fit(tmp_path / "tiny.safetensors", "", "dscmr", text, 0, "", tmp_path)
    fits.embed(fit)
    model = dscmr.Model(params, 0)
    history = model.fit(Pairs(*features().rows("train")), Pairs(*features().rows("validation")))
    assert (len(history) < 30) == (patience is not None)
    expected = model.embed_audio(features().rows("test")[0])
    np.testing.assert_array_equal(tables.read(fit, "embeddings")["test_audio"], expected)


def test_published_features_keep_their_test_rows_and_give_the_same_bytes_twice(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished)
    of = features()
    is_train = (np.array(of.splits) != "test").astype(int)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        columns = {"audio_feat": of.audio, "visual_feat": of.visual, "Label_ID": of.labels, "Train_test": is_train}
        for key, values in columns.items():
            file[key] = values
    [source] = sets.parse([f"b={tmp_path / 'b.h5'}"])
    first = sets.prepare(source, tmp_path / "sets")
    was, made = first.read_bytes(), FeatureTable.load(first)
    assert sorted(made.rows("test")[0][:, 0]) == sorted(of.rows("test")[0][:, 0])
    assert {split: made.splits.count(split) for split in set(made.splits)} == {
        "train": 42,
        "validation": 12,
        "test": 36,
    }
    assert sets.prepare(source, tmp_path / "sets").read_bytes() == was
    assert [clip.clip_id for clip in read_clips(sets.clips_file(first))] == made.clip_ids
    [search, *_] = lines.searches(first, SECTIONS, BUDGET, tmp_path)
    assert search.clips == sets.clips_file(first)
