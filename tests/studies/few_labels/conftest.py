"""Fits that take no time, for the study of few labels."""

import pytest

from pipeline.models.dual_subspace import Params
from pipeline.settings.params import load_params
from studies.few_labels import fits
from tests.helpers.dual_subspace import TEST, TRAIN, VALIDATION


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of one epoch, on few clips."""
    quick_params = load_params("model", Params).model_copy(update={"epochs": 1, "hidden_width": 8})
    splits = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    monkeypatch.setattr(fits, "load_params", lambda *_: quick_params)
    monkeypatch.setattr(fits, "splits_of", lambda *_: splits)
    monkeypatch.setattr(fits, "_code", lambda: "code")
