"""What the forms of the study of few labels get: a small fit, what is kept of it, and pseudo-labels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pipeline.model_parts.base import Pairs
from studies.few_labels import fits
from studies.few_labels.draws import Draw
from studies.few_labels.fits import FORMS, pseudo_labelled, scores, scores_of
from tests.helpers.dual_subspace import TEST

DRAW = Draw("made", 0.5, 0.5, 0.0, 0)


@pytest.mark.usefixtures("quick")
def test_every_form_is_fitted_once_and_then_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = scores(DRAW, None, tmp_path, has_pseudo=True, has_tied=True)
    assert set(found) == set(FORMS)
    for form, of in found.items():
        assert len(of.precisions) == len(TEST.labels)
        assert (of.share is not None) == form.endswith("by_agreement")
    monkeypatch.setattr(fits, "_fitted", None)  # what is finished is not fitted again
    monkeypatch.setattr(fits, "Tied", None)
    assert scores(DRAW, None, tmp_path, has_pseudo=True, has_tied=True) == found
    assert not {"one_pseudo", "trunk_by_agreement"} & set(
        scores(DRAW, None, tmp_path, has_pseudo=False, has_tied=False)
    )
    sizes = sorted(len(json.loads(file.read_text())) for file in (tmp_path / "draws").iterdir())
    assert sizes == [1, 2, 2, 10]  # pairs alone, pseudo-labels, tied branches, and what learns from labels


@pytest.mark.usefixtures("quick")
def test_pairs_alone_are_not_fitted_again_for_other_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scores(DRAW, None, tmp_path, has_pseudo=False, has_tied=False)
    monkeypatch.setattr(fits, "_of_pairs", None)
    second = scores(DRAW._replace(labelled=1.0, wrong=0.4), None, tmp_path, has_pseudo=False, has_tied=False)
    assert first["pairs"] == second["pairs"]
    assert first["labels"] != second["labels"]


def test_scores_are_the_average_precisions_of_scikit_learn_and_the_partners_found() -> None:
    rng, labels = np.random.default_rng(0), np.array([0, 1, 0, 1, 2, 2])
    audio, visual = rng.standard_normal((2, 6, 3))
    found = scores_of(audio, visual, labels)
    cosines = (audio / np.linalg.norm(audio, axis=1)[:, None]) @ (visual / np.linalg.norm(visual, axis=1)[:, None]).T
    for clip in range(6):
        of_clip = [average_precision_score(labels == labels[clip], row[clip]) for row in (cosines, cosines.T)]
        assert found.precisions[clip] == pytest.approx(np.mean(of_clip), abs=1e-5)
    assert found.map == pytest.approx(np.mean(found.precisions))
    assert scores_of(audio, audio, labels).partner == 1.0


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
    halves: Any = Halves()
    assert pseudo_labelled(halves, some).labels.tolist() == [4, 7, 4, 7, -1]
