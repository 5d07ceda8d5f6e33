"""Search spaces: no model is searched more narrowly than another in what they share."""

import pytest

from pipeline.model_parts.base import model_module, model_names

LEARNING = [name for name in model_names() if "patience" in model_module(name).Params.model_fields]


@pytest.mark.parametrize("name", LEARNING)
def test_what_helped_one_network_is_in_reach_of_all(name: str) -> None:
    search, fields = model_module(name).SEARCH, model_module(name).Params.model_fields
    assert search["inputs"] == ["standardised", "whitened", "unit"]
    assert search.keys().isdisjoint({"epochs", "patience"})  # a search chooses the epochs by the curves of its folds
    assert search["weight_decay"] == ("loguniform", 1e-5, 0.1)
    family, low, high = search["learning_rate"]
    assert family == "loguniform"
    assert low <= 1e-3 < 1e-2 <= high
    assert "dropout" not in fields or search["dropout"] == ("uniform", 0.0, 0.8)
