"""What the dual-subspace model promises beyond the contract of all models."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.cross_decomposition import CCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import average_precision_score, log_loss
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.errors import DataError, ParamsError
from pipeline.model_parts.base import Pairs
from pipeline.model_parts.training import seeded
from pipeline.models.dual_subspace import DualSubspaceNetwork, Model, Params
from pipeline.settings.params import load_params

VALUES: dict[str, Any] = {
    "seeds": [0], "epochs": 30, "batch_size": 32, "learning_rate": 0.003, "weight_decay": 1e-4, "clip_norm": 1.0,
    "patience": 30, "lambda_corr": 1.0, "lambda_disc": 1.0, "lambda_constraint": 0.1, "correlation": "pairwise",
    "correlation_ridge": 1e-3, "n_hidden_layers": 1, "hidden_width": 32, "explicit_width": 8, "implicit_width": 8,
    "dropout": 0.1, "fusion": "cca", "fusion_components": 4, "fusion_ridge": 1e-4, "inputs": "standardised",
    "whitening_ridge": 1.0, "discriminative": "label_distance", "explicit_share": 0.5,
    "implicit_branch": "perceptron", "n_fourier_features": 100,
}  # fmt: skip


def params(**changes: Any) -> Params:  # noqa: ANN401 - values of any field
    """The small parameters of these tests, with changes."""
    return Params.model_validate(VALUES | changes)


def pairs(seed: int, n: int = 100, n_classes: int = 5) -> Pairs:
    """Classes at the corners of a nonlinear picture, on features of unlike means and scales."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(n) % n_classes
    angle = 2 * np.pi * (labels[:, None] + 0.1 * rng.standard_normal((n, 2))) / n_classes
    audio = np.hstack([np.cos(angle[:, :1]), np.sin(angle[:, :1]), rng.standard_normal((n, 4))]) * 50 + 100
    visual = np.hstack([np.cos(2 * angle[:, 1:]), np.sin(2 * angle[:, 1:]), rng.standard_normal((n, 6))]) * 0.01
    return Pairs(audio.astype(np.float32), visual.astype(np.float32), labels)


TRAIN, VALIDATION, TEST = pairs(0), pairs(1, n=40), pairs(2, n=60)


PROBABLE = {"correlation": "agreement", "discriminative": "cross_entropy", "fusion": "weighted"}
AUDIO, VISUAL = torch.from_numpy(TRAIN.audio), torch.from_numpy(TRAIN.visual)
ONEHOT = torch.eye(5)[torch.from_numpy(TRAIN.labels)]


def untrained(**changes: Any) -> DualSubspaceNetwork:  # noqa: ANN401 - values of any field
    """A network with initial weights, and statistics of TRAIN."""
    with seeded(0, torch.device("cpu")):
        network = DualSubspaceNetwork(6, 8, 5, params(**changes)).eval()
    network.prepare(AUDIO, VISUAL, ONEHOT)
    return network


@cache
def fitted(**changes: Any) -> Model:  # noqa: ANN401 - values of any field
    """A model trained on TRAIN; cached, because nothing here changes it."""
    model = Model(params(**changes), seed=0)
    model.fit(TRAIN, VALIDATION)
    return model


def average_map(model: Model, clips: Pairs) -> float:
    """MAP of both directions by scikit-learn alone."""
    similarity = cosine_similarity(model.embed_audio(clips.audio), model.embed_visual(clips.visual))
    relevant = clips.labels[:, None] == clips.labels
    rows = [*zip(relevant, similarity, strict=True), *zip(relevant, similarity.T, strict=True)]
    return float(np.mean([average_precision_score(hits, scores) for hits, scores in rows]))


@pytest.mark.parametrize("fusion", ["cca", "cluster_cca", "none"])
@pytest.mark.parametrize("correlation", ["pairwise", "likelihood", "cca"])
def test_every_form_ranks_unseen_clips_far_above_chance(correlation: str, fusion: str) -> None:
    model = fitted(correlation=correlation, fusion=fusion)
    assert average_map(model, TEST) > 0.4  # chance is 0.23


@pytest.mark.parametrize("changes", [{"explicit_share": 1.0, "lambda_disc": 0.0}, {"explicit_share": 0.0}])
def test_either_subspace_alone_ranks_unseen_clips_far_above_chance(changes: dict[str, float]) -> None:
    assert average_map(fitted(**PROBABLE, **changes), TEST) > 0.4  # chance is 0.23


def test_an_implicit_kernel_machine_ranks_unseen_clips_far_above_chance() -> None:
    kernel_machine = {"implicit_branch": "fourier", "explicit_share": 0.0, "lambda_corr": 0.0}
    assert average_map(fitted(**PROBABLE, **kernel_machine), TEST) > 0.4  # chance is 0.23


@torch.inference_mode()
def test_weighted_fusion_takes_the_mean_of_the_chances_to_agree_on_state_and_on_class() -> None:
    network = untrained(**PROBABLE, explicit_share=0.3)
    (audio_states, audio_classes), (visual_states, visual_classes) = (
        (softmax(explicit.numpy(), axis=1), softmax(network.classifier(implicit).numpy(), axis=1))
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


def test_cross_entropy_is_that_of_both_modalities_classes() -> None:
    network = untrained(discriminative="cross_entropy", lambda_corr=0, lambda_constraint=0)
    logits = [network.classifier(view[1]).detach() for view in (network.audio(AUDIO), network.visual(VISUAL))]
    expected = sum(log_loss(TRAIN.labels, softmax(rows.double().numpy(), axis=1)) for rows in logits)
    assert network.loss(AUDIO, VISUAL, ONEHOT).item() == pytest.approx(expected, rel=1e-5)


def test_whitened_inputs_vary_alike_within_classes_in_all_directions() -> None:
    white = untrained(inputs="whitened", whitening_ridge=1e-6).audio.prepared(AUDIO).numpy()
    within = LinearDiscriminantAnalysis(store_covariance=True).fit(white, TRAIN.labels).covariance_
    np.testing.assert_allclose(within / within[0, 0], np.eye(6), atol=1e-3)


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
        ("fusion_components: 17", "fusion_components=17; expected at most 16, explicit_width"),
        ("seeds: []", "model.seeds: List should have at least 1 item"),
        ("explicit_share: 1.5", "model.explicit_share: Input should be less than or equal to 1"),
        ("discriminative: none", "model.discriminative: Input should be 'label_distance' or 'cross_entropy'"),
        ("correlation: cosine", "model.correlation: Input should be 'pairwise', 'likelihood', 'cca' or 'agreement'"),
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
