import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.formats.shards import read_shards, write_shards
from pipeline.separation.drawing import draw_mixtures
from pipeline.separation.heard import HeardClips
from pipeline.separation.material import Material
from pipeline.separation.measures.bss import si_sdr
from pipeline.separation.measures.ideal import ideal_estimates
from pipeline.separation.measures.measuring import MeasuredRows
from pipeline.separation.measures.report import in_words, metrics_of, rows_of
from pipeline.separation.measures.scores import EvaluateSeparationParams, RowRule, score_mixtures, score_rows
from pipeline.separation.measures.separated import row_name, rules_of
from pipeline.separation.mixtures import MixturesParams
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
    means = [np.mean([score.by_seed[k] for score in scores if score.row == "given"]) for k in range(2)]
    assert rows["given"]["si_sdr_improvement"] == pytest.approx(np.mean(means))
    assert rows["given"]["seed_sd"] == pytest.approx(abs(means[1] - means[0]) / 2**0.5)
    assert "seed_sd" not in rows["mixture"]
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
    assert rules["visualvoice_still"] == RowRule(is_brief=True)
    assert rules["visualvoice_blank"] == RowRule(is_brief=True, in_best_order=True)
    assert row_name("visualvoice", "still") == "visualvoice_still"


def test_a_silent_estimate_counts_as_the_worst_and_is_not_left_out(material: Material) -> None:
    silent = {found.mixture_id: {"mute": np.zeros((1, 2, 8000), np.float32)} for found in material.mixtures}
    row = rows_of(score_mixtures(material, silent, {"mute": RowRule(is_brief=True)}, PARAMS), {}, PARAMS)["mute"]
    assert (row["si_sdr"], row["n_mixtures"]) == (-120, 8)


def test_a_silent_source_names_its_mixture_and_its_clip(material: Material) -> None:
    mute = material.mixtures[3]._replace(
        segments=tuple(part._replace(gain=0.0) for part in material.mixtures[3].segments)
    )
    clip = mute.segments[0].clip_id
    with pytest.raises(
        DataError, match=f"mixture 'test-0003': source 0, clip '{clip}', is silent; expected sound in e"
    ):
        score_mixtures(material._replace(mixtures=[*material.mixtures[:3], mute]), {}, {}, PARAMS)


def test_metrics_count_clipping_listed_mixtures_left_out_and_people_of_train(tmp_path: Path) -> None:
    heard = talking_clips(tmp_path, 2, "test", 1.5)
    other = dict(read_shards(tmp_path / "sounds"))
    for name, share in (("p0/0.mp4", 0.002), ("p1/0.mp4", 0.0005)):
        other[name]["n_clipped"] = np.array([round(share * len(other[name]["sound"]))])
    write_shards(tmp_path / "sounds", other, other.__getitem__)
    clips = [replace(clip, split="train" if clip.clip_id == "p1/1.mp4" else "test") for clip in heard.clips.values()]
    clips_in = HeardClips(clips, tmp_path / "sounds", tmp_path / "views", FACTS)
    counts = {"n_quiet_draws": {"validation": 2}, "n_listed_left_out": {"missing": 3, "quiet": 1}}
    (tmp_path / "mixtures.json").write_text(json.dumps(counts))
    metrics = metrics_of(MeasuredRows([], {}, {}), PARAMS, clips_in, tmp_path / "mixtures.json", [])
    assert metrics["dataset"] == {
        "n_clips": 4,
        "n_people": 2,
        "n_test_people": 2,
        "n_test_people_in_train": 1,
        "n_clips_at_full_scale": 1,
        "rejected": {},
    }
    assert metrics["mixtures"] == {"n_test": 0, **counts}


def test_few_people_have_no_interval(tmp_path: Path) -> None:
    clips = talking_clips(tmp_path, 3, "test", 1.5)
    mixtures = draw_mixtures("test", clips.of_split("test"), clips.sound, FACTS.rate, MIXTURES).mixtures
    rows = rows_of(score_mixtures(Material(clips, mixtures[:2]), {}, {}, PARAMS), {}, PARAMS)
    assert "margin" not in rows["ideal_ratio_mask"]
