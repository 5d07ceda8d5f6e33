"""What the dual-subspace model promises beyond the contract of all models."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.cross_decomposition import CCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import log_loss
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.errors import DataError, ParamsError
from pipeline.model_parts.base import Pairs
from pipeline.models.dual_subspace import DualSubspaceNetwork, Model, Params
from pipeline.settings.params import load_params
from studies.ablation import COLLAPSED, PAPER
from tests.helpers.dual_subspace import (
    AUDIO,
    ONEHOT,
    PROBABLE,
    TEST,
    TRAIN,
    VALIDATION,
    VALUES,
    VISUAL,
    average_map,
    fitted,
    params,
    untrained,
)


@pytest.mark.parametrize("fusion", ["cca", "cluster_cca", "none"])
@pytest.mark.parametrize("correlation", ["pairwise", "likelihood", "cca"])
def test_every_form_ranks_unseen_clips_far_above_chance(correlation: str, fusion: str) -> None:
    model = fitted(correlation=correlation, fusion=fusion)
    assert average_map(model, TEST) > 0.4  # chance is 0.23


@pytest.mark.parametrize("changes", [{"explicit_share": 1.0, "lambda_disc": 0.0}, {"explicit_share": 0.0}])
def test_either_subspace_alone_ranks_unseen_clips_far_above_chance(changes: dict[str, float]) -> None:
    assert average_map(fitted(**PROBABLE, **changes), TEST) > 0.4  # chance is 0.23


@torch.inference_mode()
def test_weighted_fusion_takes_the_mean_of_the_chances_to_agree_on_state_and_on_class() -> None:
    network = untrained(**PROBABLE, explicit_share=0.3)
    (audio_states, audio_classes), (visual_states, visual_classes) = (
        (softmax(explicit.numpy(), axis=1), softmax(network.classifiers[0](implicit).numpy(), axis=1))
        for explicit, implicit in (network.audio(AUDIO), network.visual(VISUAL))
    )
    expected = 0.3 * audio_states @ visual_states.T + 0.7 * audio_classes @ visual_classes.T
    similarity = cosine_similarity(network.embed_audio(AUDIO), network.embed_visual(VISUAL))
    np.testing.assert_allclose(similarity, expected, atol=1e-6)


@torch.inference_mode()
def test_weighted_fusion_of_embeddings_that_are_no_probabilities_takes_the_mean_of_the_cosines() -> None:
    network = untrained(fusion="weighted", explicit_share=0.3)
    explicit, implicit = zip(network.audio(AUDIO), network.visual(VISUAL), strict=True)
    expected = 0.3 * cosine_similarity(*explicit) + 0.7 * cosine_similarity(*implicit)
    similarity = cosine_similarity(network.embed_audio(AUDIO), network.embed_visual(VISUAL))
    np.testing.assert_allclose(similarity, expected, atol=1e-6)


def test_fusion_by_agreement_weighs_by_validation_pairs_and_by_none_of_their_labels(tmp_path: Path) -> None:
    chosen, shuffled = (Model(params(**PROBABLE | {"fusion": "by_agreement", "epochs": 5}), seed=0) for _ in range(2))
    chosen.fit(TRAIN, VALIDATION)
    shuffled.fit(TRAIN, VALIDATION._replace(labels=VALIDATION.labels[::-1].copy()))
    share = chosen._fitted().share.item()
    assert share == shuffled._fitted().share.item()
    assert 0 <= share <= 1
    fixed = Model(params(**PROBABLE | {"epochs": 5, "explicit_share": share}), seed=0)
    fixed.fit(TRAIN, VALIDATION)
    np.testing.assert_array_equal(chosen.embed_audio(TEST.audio), fixed.embed_audio(TEST.audio))
    chosen.save(tmp_path / "model.safetensors")
    again = Model.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.embed_visual(TEST.visual), chosen.embed_visual(TEST.visual))


def test_agreement_of_pairs_is_agreement_of_clips_without_a_label() -> None:
    network = untrained(**PROBABLE | {"correlation": "agreement_of_pairs"}, lambda_disc=0, lambda_constraint=0)
    states = [softmax(network.audio(AUDIO)[0].detach().double().numpy(), axis=1)]
    states.append(softmax(network.visual(VISUAL)[0].detach().double().numpy(), axis=1))
    agreement = states[0] @ states[1].T
    expected = -np.mean([np.log(np.diag(agreement) / agreement.sum(axis=way)).mean() for way in (0, 1)])
    assert network.loss(AUDIO, VISUAL, ONEHOT).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("n_labelled", [100, 40])
def test_pairs_in_the_implicit_branch_agree_on_classes_whether_they_have_a_label_or_not(n_labelled: int) -> None:
    network = untrained(**PROBABLE, lambda_corr=0, lambda_disc=0, lambda_constraint=0.1, lambda_pairs=0.7)
    onehot = ONEHOT * (torch.arange(100) < n_labelled)[:, None]
    views = network.audio(AUDIO)[1], network.visual(VISUAL)[1]
    states = [softmax(network.classifiers[0](view).detach().double().numpy(), axis=1) for view in views]
    agreement = states[0] @ states[1].T
    expected = -np.mean([np.log(np.diag(agreement) / agreement.sum(axis=way)).mean() for way in (0, 1)])
    with_pairs = network.loss(AUDIO, VISUAL, onehot).item()
    network.params = params(**PROBABLE, lambda_corr=0, lambda_disc=0, lambda_constraint=0.1)
    assert with_pairs - network.loss(AUDIO, VISUAL, onehot).item() == pytest.approx(0.7 * expected, rel=1e-4)


def test_cross_entropy_is_that_of_both_modalities_classes() -> None:
    network = untrained(discriminative="cross_entropy", lambda_corr=0, lambda_constraint=0)
    logits = [network.classifiers[0](view[1]).detach() for view in (network.audio(AUDIO), network.visual(VISUAL))]
    expected = sum(log_loss(TRAIN.labels, softmax(rows.double().numpy(), axis=1)) for rows in logits)
    assert network.loss(AUDIO, VISUAL, ONEHOT).item() == pytest.approx(expected, rel=1e-5)


def test_whitened_inputs_vary_alike_within_classes_in_all_directions() -> None:
    white = untrained(inputs="whitened", whitening_ridge=1e-6).audio.prepared(AUDIO).numpy()
    within = LinearDiscriminantAnalysis(store_covariance=True).fit(white, TRAIN.labels).covariance_
    np.testing.assert_allclose(within / within[0, 0], np.eye(6), atol=1e-3)


def as_shipped(seed: int, **changes: Any) -> Model:  # noqa: ANN401 - values of any field
    """A model of params.yaml with changes, trained on TRAIN."""
    model = Model(load_params("model", Params).model_copy(update=changes), seed)
    model.fit(TRAIN, VALIDATION)
    return model


def test_the_distance_of_pairs_alone_collapses_the_explicit_branches_and_a_line_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = as_shipped(0, **COLLAPSED | {"patience": None})  # else an epoch before the collapse is kept
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "collapsed" in line]
    number = r"has a spread of (0\.\d+) at a scale of (\d\.\d+)"
    found = re.fullmatch(
        rf"train: dual_subspace, seed 0: collapsed embeddings: audio explicit {number}; visual explicit {number}; "
        r"try correlation: likelihood, cca or agreement \(pairwise has no scale\), or .*",
        line,
    )
    assert found is not None
    network = model._fitted()
    with torch.inference_mode():
        embedded = network.audio(AUDIO)[0].numpy(), network.visual(VISUAL)[0].numpy()
    spreads = [np.sqrt(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean()) for rows in embedded]
    assert [float(found[1]), float(found[3])] == pytest.approx(spreads, rel=0.05)  # two digits are shown


@pytest.mark.parametrize("correlation", ["likelihood", "cca"])
def test_the_paper_s_form_with_a_scale_does_not_collapse(correlation: str, capsys: pytest.CaptureFixture[str]) -> None:
    as_shipped(1, **PAPER | {"correlation": correlation})
    assert "collapsed" not in capsys.readouterr().err


@pytest.mark.parametrize(("fusion", "width"), [("cca", 4), ("cluster_cca", 4), ("none", 16)])
def test_the_joint_embedding_has_the_width_of_the_fusion(fusion: str, width: int) -> None:
    assert fitted(fusion=fusion).embed_audio(TEST.audio).shape == (60, width)


def test_cluster_fusion_has_at_most_one_component_less_than_classes() -> None:
    assert fitted(fusion="cluster_cca", fusion_components=12).embed_visual(TEST.visual).shape == (60, 4)


def test_narrow_branches_need_no_change_of_a_fusion_that_is_not_used() -> None:
    narrow = {"explicit_width": 2, "implicit_width": 1}
    assert params(**narrow, fusion="weighted").fusion_components == 4
    assert fitted(**narrow, fusion="cluster_cca").embed_audio(TEST.audio).shape == (60, 4)


def test_without_fusion_explicit_and_implicit_count_the_same_in_the_cosine() -> None:
    audio = fitted(fusion="none").embed_audio(TEST.audio)
    np.testing.assert_allclose(np.linalg.norm(audio[:, :8], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(audio[:, 8:], axis=1), 1, rtol=1e-5)


def test_the_fusion_finds_the_canonical_correlations_of_the_concatenations() -> None:
    fused, concatenated = fitted(fusion_ridge=1e-6), fitted(fusion="none")
    audio, visual = fused.embed_audio(TRAIN.audio), fused.embed_visual(TRAIN.visual)
    views = concatenated.embed_audio(TRAIN.audio), concatenated.embed_visual(TRAIN.visual)
    by_sklearn = np.corrcoef(*(view[:, 0] for view in CCA(n_components=1, max_iter=5000).fit_transform(*views)))[0, 1]
    assert np.corrcoef(audio[:, 0], visual[:, 0])[0, 1] == pytest.approx(by_sklearn, abs=1e-2)


def test_the_model_that_is_kept_is_that_of_the_best_epoch() -> None:
    model = Model(params(learning_rate=0.01, epochs=6), seed=0)
    validation_maps = [epoch["validation_map"] for epoch in model.fit(TRAIN, VALIDATION)]
    assert max(validation_maps) > validation_maps[-1] + 0.02
    assert average_map(model, VALIDATION) == pytest.approx(max(validation_maps), abs=1e-6)


def test_the_unit_of_a_feature_does_not_count() -> None:
    scaled = [Pairs(clips.audio * np.float32(1024), clips.visual, clips.labels) for clips in (TRAIN, VALIDATION, TEST)]
    model = Model(params(), seed=0)
    model.fit(scaled[0], scaled[1])
    np.testing.assert_array_equal(model.embed_audio(scaled[2].audio), fitted().embed_audio(TEST.audio))


def test_standardisation_is_that_of_the_train_rows_and_spares_constant_features() -> None:
    network = DualSubspaceNetwork(6, 8, 5, params())
    audio = TRAIN.audio.copy()
    audio[:, 0] = 7
    network.audio.prepare_by(torch.from_numpy(audio), ONEHOT)
    expected = [1.0, *audio[:, 1:].std(axis=0, dtype=np.float64)]
    np.testing.assert_allclose(network.audio.mean, audio.mean(axis=0, dtype=np.float64), rtol=1e-5)
    np.testing.assert_allclose(network.audio.deviation, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("weight", "silent"),
    [("lambda_corr", ["explicit"]), ("lambda_disc", ["implicit", "classifier"]), ("lambda_constraint", [])],
)
def test_a_weight_of_zero_switches_its_loss_off(weight: str, silent: list[str]) -> None:
    network = DualSubspaceNetwork(6, 8, 5, params(**{"lambda_constraint": 0, weight: 0}))
    onehot = torch.eye(5)[torch.from_numpy(TRAIN.labels)]
    network.loss(torch.from_numpy(TRAIN.audio), torch.from_numpy(TRAIN.visual), onehot).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    learning = {name for name, value in network.named_parameters() if value.grad is not None}
    everything = {name for name, _ in network.named_parameters()}
    assert everything - learning == {name for name in everything if any(part in name for part in silent)}


def test_a_loaded_model_embeds_bit_for_bit_the_same(tmp_path: Path) -> None:
    fitted().save(tmp_path / "model.safetensors")
    loaded = Model.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.embed_audio(TEST.audio), fitted().embed_audio(TEST.audio))
    np.testing.assert_array_equal(loaded.embed_visual(TEST.visual), fitted().embed_visual(TEST.visual))


def test_another_seed_is_another_model() -> None:
    other = Model(params(), seed=1)
    other.fit(TRAIN, VALIDATION)
    assert not np.allclose(other.embed_audio(TEST.audio), fitted().embed_audio(TEST.audio))


def test_embedding_before_the_fit_is_refused() -> None:
    with pytest.raises(DataError, match="model is not fitted; expected fit or load"):
        Model(params(), seed=0).embed_audio(TEST.audio)


def test_features_of_another_width_are_refused() -> None:
    with pytest.raises(DataError, match=r"visual: shape \(60, 6\); expected \(n, 8\)"):
        fitted().embed_visual(TEST.audio)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lambda_corr: 0, lambda_disc: 0, lambda_constraint: 0", "lambda_constraint are all 0; expected one above 0"),
        ("seeds: [0, 1, 0]", "model.seeds: expected each seed once"),
        ("fusion_components: 17", "fusion_components=17; expected at most 16, n_heads"),
        (
            "n_subspaces: 1",
            "n_subspaces=1 with lambda_constraint=0.1 and fusion='cca'; expected lambda_constraint=0",
        ),
        (
            "fusion: by_agreement",
            "fusion=by_agreement with correlation=pairwise and discriminative=label_distance; expected correlation=",
        ),
        ("n_subspaces: 3", "model.n_subspaces: Input should be 1 or 2"),
        ("seeds: []", "model.seeds: List should have at least 1 item"),
        ("explicit_share: 1.5", "model.explicit_share: Input should be less than or equal to 1"),
        ("discriminative: none", "model.discriminative: Input should be 'label_distance' or 'cross_entropy'"),
        ("correlation: cosine", "model.correlation: Input should be 'pairwise', 'likelihood', 'cca', 'agreement' or"),
    ],
)
def test_params_that_no_model_can_have_are_refused(line: str, message: str, tmp_path: Path) -> None:
    changed = {pair.split(":")[0].strip() for pair in line.split(", ")}
    kept = ", ".join(f"{key}: {value}" for key, value in VALUES.items() if key not in changed)
    (tmp_path / "params.yaml").write_text(f"model: {{{kept}, {line}}}")
    with pytest.raises(ParamsError, match=message):
        load_params("model", Params, tmp_path / "params.yaml")


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_GPU") != "1", reason="needs a CUDA device"
)
def test_a_model_trained_on_a_gpu_embeds_the_same_on_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_DEVICE", "cuda")
    on_gpu = Model(params(), seed=0)
    on_gpu.fit(TRAIN, VALIDATION)
    on_gpu.save(tmp_path / "model.safetensors")
    monkeypatch.setenv("AVR_DEVICE", "cpu")
    on_cpu = Model.load(tmp_path / "model.safetensors")
    np.testing.assert_allclose(on_cpu.embed_audio(TEST.audio), on_gpu.embed_audio(TEST.audio), atol=1e-3)
