"""The study of few labels: what its data are, and that a finished draw is read back."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.model_parts.base import Pairs
from studies import few_labels
from studies.few_labels import FORMS, Draw, FormScores, made_pairs, pseudo_labelled, tables, with_labels


def correlation_of_partners(shared: float) -> float:
    """The largest canonical correlation within the classes, by NumPy: QR of both sides, then SVD."""
    train = made_pairs(shared, 0)["train"]
    centred = []
    for view in (train.audio, train.visual):
        means = np.stack([view[train.labels == label].mean(axis=0) for label in range(few_labels.N_CLASSES)])
        centred.append(np.linalg.qr(view - means[train.labels])[0])
    return float(np.linalg.svd(centred[0].T @ centred[1], compute_uv=False)[0])


def test_made_pairs_share_as_much_of_their_nuisance_as_is_asked_for() -> None:
    none, some, most = (correlation_of_partners(shared) for shared in (0.0, 0.5, 0.9))
    assert none < some < most
    again = made_pairs(0.5, 0)["test"]
    np.testing.assert_array_equal(again.audio, made_pairs(0.5, 0)["test"].audio)
    assert np.bincount(again.labels).tolist() == [30] * 10


@pytest.mark.parametrize(("labelled", "wrong"), [(1.0, 0.0), (0.05, 0.0), (1.0, 0.4)])
def test_labels_are_hidden_class_by_class_and_some_of_the_others_redrawn(labelled: float, wrong: float) -> None:
    train = made_pairs(0.0, 1)["train"]
    some = with_labels(train, labelled, wrong, 0)
    known = some.labels >= 0
    assert known.sum() == round(labelled * 60) * 10
    share_wrong = float((some.labels[known] != train.labels[known]).mean())
    assert share_wrong == pytest.approx(0.9 * wrong, abs=0.05)  # one of ten redrawn labels is right by chance
    if not wrong:
        assert np.bincount(some.labels[known]).tolist() == [round(labelled * 60)] * 10


class Halves:
    """A model whose embeddings are the features."""

    def embed_audio(self, audio: np.ndarray) -> np.ndarray:
        return audio

    def embed_visual(self, visual: np.ndarray) -> np.ndarray:
        return visual


def test_a_pseudo_label_is_the_class_on_which_both_halves_agree() -> None:
    east, north = [1.0, 0.0], [0.0, 1.0]
    audio, visual = np.array([east, north, east, north, east]), np.array([east, north, east, north, north])
    some = Pairs(audio, visual, np.array([4, 7, -1, -1, -1]))
    assert pseudo_labelled(Halves(), some).labels.tolist() == [4, 7, 4, 7, -1]  # type: ignore[arg-type]  # it embeds


def test_a_finished_draw_is_read_and_the_margins_are_means_over_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(few_labels, "_code", lambda: "code")

    def fitted(draw: Draw, features: Path | None) -> dict[str, FormScores]:
        numbers = {form: FormScores(0.1 * place, 0.5) for place, form in enumerate(FORMS)}
        return numbers | {"dual": FormScores(0.6 + 0.1 * draw.seed, 0.5), "one": FormScores(0.3, 0.5)}

    monkeypatch.setattr(few_labels, "_fitted", fitted)
    draws = [Draw("made", 0.5, 0.05, 0.0, seed) for seed in (0, 1)]
    found = {draw: few_labels.scores(draw, {}, tmp_path) for draw in draws}
    monkeypatch.setattr(few_labels, "_fitted", None)  # what is finished is not fitted again
    assert {draw: few_labels.scores(draw, {}, tmp_path) for draw in draws} == found
    (row,) = [line for line in tables(found) if line.startswith("| made") and "±" in line]
    cells = row.strip("| ").split(" | ")
    assert cells[:4] == ["made", "0.5", "5 %", "0 %"]
    assert cells[-2:] == ["+55.0 ± 5.0", "+35.0 ± 5.0"]  # labels alone has .1, one subspace .3
    assert len(json.loads(next((tmp_path / "draws").iterdir()).read_text())) == len(FORMS)
