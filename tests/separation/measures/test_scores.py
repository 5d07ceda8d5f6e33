from pathlib import Path

import numpy as np
import pytest

from pipeline.separation.material import HeardClips, Material
from pipeline.separation.measures.bss import si_sdr
from pipeline.separation.measures.ideal import ideal_estimates
from pipeline.separation.measures.report import in_words, rows_of
from pipeline.separation.measures.scores import EvaluateSeparationParams, RowRule, score_mixtures, score_rows
from pipeline.separation.measures.separated import row_name, rules_of
from pipeline.separation.mixtures import MixturesParams, draw_mixtures
from pipeline.separation.parts.spectra import Stft
from tests.helpers.talkers import FACTS, talking_clips

PARAMS = EvaluateSeparationParams(fft=256, window=200, hop=80, taps=32, bootstrap_draws=100, seed=0)
MIXTURES = MixturesParams(
    seed=0, n_sources=2, kinds={"any": 1.0}, n_validation=1, n_test=8, seconds=1.0, snr_db=(-5, 5), silent_fraction=0.1
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> HeardClips:
    return talking_clips(tmp_path_factory.mktemp("talking"), 8, "test", 1.5)


@pytest.fixture(scope="module")
def material(clips: HeardClips) -> Material:
    return Material(clips, draw_mixtures("test", clips.of_split("test"), clips.sound, FACTS.rate, MIXTURES).mixtures)


def test_ideal_masks_are_above_the_mixture_and_the_complex_one_above_all(material: Material) -> None:
    rows = rows_of(score_mixtures(material, {}, {}, PARAMS), {}, PARAMS)
    assert list(rows) == ["mixture", "ideal_binary_mask", "ideal_ratio_mask", "ideal_complex_mask"]
    gains = [row["si_sdr_improvement"] for row in rows.values()]
    assert gains[0] == 0
    assert min(gains[1:]) > 6
    assert gains[3] > 25
    assert "sar" not in rows["mixture"]
    assert all(row["n_mixtures"] == 8 and "margin" in row for row in rows.values())


def test_an_ideal_complex_mask_within_its_limits_gives_the_source(material: Material) -> None:
    references = material.clips.references(material.mixtures[0])
    found = ideal_estimates(references, Stft(256, 200, 80))
    assert (si_sdr(references, found["ideal_complex_mask"]) > 25).all()
    assert all(sounds.shape == references.shape for sounds in found.values())


def test_scores_are_means_over_seeds_and_one_row_may_be_in_its_best_order(material: Material) -> None:
    rng = np.random.default_rng(0)
    estimates = {}
    for mixture in material.mixtures:
        references = material.clips.references(mixture)
        noisy = [references + level * rng.normal(size=references.shape).astype(np.float32) for level in (0.01, 0.03)]
        estimates[mixture.mixture_id] = {"given": np.stack(noisy), "exchanged": np.stack(noisy)[:, ::-1]}
    rules = {"exchanged": RowRule(in_best_order=True), "given": RowRule(is_brief=True)}
    scores = score_mixtures(material, estimates, rules, PARAMS)
    first = {score.row: score for score in scores if score.mixture_id == "test-0000" and score.source == 0}
    references = material.clips.references(material.mixtures[0])
    by_seed = [si_sdr(references, sounds)[0] for sounds in estimates["test-0000"]["given"]]
    assert first["given"].values["si_sdr"] == pytest.approx(np.mean(by_seed))
    assert first["exchanged"].values["si_sdr"] == pytest.approx(np.mean(by_seed))
    assert set(first["given"].values) == {"si_sdr", "si_sdr_improvement"}
    assert {"sdr", "sir", "sar", "stoi"} <= set(first["exchanged"].values)
    rows = rows_of(scores, rules, PARAMS)
    assert rows["exchanged"]["permutation"] == "best"
    assert "permutation" not in rows["given"]
    assert "(in the best order)" in in_words(rows)


def test_mixtures_are_grouped_by_kind_and_by_pitch(material: Material) -> None:
    row = rows_of(score_mixtures(material, {}, {}, PARAMS), {}, PARAMS)["ideal_ratio_mask"]["by_kind"]
    assert row["any"]["n_mixtures"] == 8
    assert row["close_pitch"]["n_mixtures"] + row["apart_in_pitch"]["n_mixtures"] == 8


def test_the_table_has_a_row_a_source_of_a_mixture(material: Material) -> None:
    rows = score_rows(score_mixtures(material, {}, {}, PARAMS))
    assert len(rows) == 4 * 8 * 2
    people = {(row["mixture_id"], row["source"]): row["person"] for row in rows}
    parts = material.mixtures[3].segments
    assert [people["test-0003", k] for k in range(2)] == [part.clip_id[:2] for part in parts]


def test_other_films_are_rows_of_their_own_and_scored_in_brief() -> None:
    rules = rules_of(["audio_only", "visualvoice"])
    assert rules["audio_only"] == RowRule(is_brief=False, in_best_order=True)
    assert rules["visualvoice"] == RowRule()
    assert rules["visualvoice_blank"] == RowRule(is_brief=True)
    assert row_name("visualvoice", "still") == "visualvoice_still"


def test_few_people_have_no_interval(tmp_path: Path) -> None:
    clips = talking_clips(tmp_path, 3, "test", 1.5)
    mixtures = draw_mixtures("test", clips.of_split("test"), clips.sound, FACTS.rate, MIXTURES).mixtures
    rows = rows_of(score_mixtures(Material(clips, mixtures[:2]), {}, {}, PARAMS), {}, PARAMS)
    assert "margin" not in rows["ideal_ratio_mask"]
