"""Draws by Optuna: the ranges of the random draws, towards what scored well, the same after a kill."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import field_validator

from pipeline.errors import ParamsError
from pipeline.model_parts.base import model_module, model_names
from pipeline.settings.params import StageParams
from pipeline.tune.draws import distributions
from pipeline.tune.samplers import Space
from pipeline.tune.tpe import TpeSampler, optuna_distributions


class PickyParams(StageParams):
    rate: float
    n: int
    kind: str | None

    @field_validator("kind")
    @classmethod
    def _no_b(cls, kind: str | None) -> str | None:
        if kind == "b":
            raise ValueError("b")
        return kind


PICKY = SimpleNamespace(
    __name__="picky",
    Params=PickyParams,
    SEARCH={"rate": ("loguniform", 0.1, 10.0), "n": ("randint", 2, 6), "kind": ["a", "b", None]},
)
BASE = PickyParams(rate=50.0, n=3, kind="a")  # its rate lies in no range


def sampler(folder: Path, seed: int = 0, study: str = "s", module: Any = PICKY) -> TpeSampler:  # noqa: ANN401 - a module
    return TpeSampler(Space(module, BASE, seed, folder / "picky", study))


def score(values: dict[str, Any]) -> float:
    """Highest at a rate of 1."""
    return math.exp(-abs(math.log(values["rate"])))


def draws(found: TpeSampler, numbers: range) -> list[dict[str, Any]]:
    drawn = []
    for number in numbers:
        drawn.append(found.draw(number))
        found.tell(number, score(drawn[-1]))
    return drawn


@pytest.mark.parametrize("name", [name for name in model_names() if hasattr(model_module(name), "SEARCH")])
def test_the_ranges_are_those_of_scipy(name: str) -> None:
    search = model_module(name).SEARCH
    drawn_from, of_optuna = distributions(search), optuna_distributions(search)
    assert of_optuna.keys() == search.keys()
    for key, declared in search.items():
        if isinstance(declared, list):
            assert list(of_optuna[key].choices) == declared
        else:
            assert (of_optuna[key].low, of_optuna[key].high) == pytest.approx(drawn_from[key].support())
            assert of_optuna[key].log == (declared[0] == "loguniform")


def test_draws_lie_in_the_ranges_and_what_the_model_refuses_is_drawn_again(tmp_path: Path) -> None:
    drawn = draws(sampler(tmp_path), range(15))
    assert drawn[0] == {"rate": 50.0, "n": 3, "kind": "a"}
    assert all(0.1 <= values["rate"] <= 10 and values["n"] in (2, 3, 4, 5) for values in drawn[1:])
    assert {values["kind"] for values in drawn[1:]} == {"a", None}


def test_later_draws_are_nearer_to_what_scored_well(tmp_path: Path) -> None:
    scores = [score(values) for values in draws(sampler(tmp_path), range(26))]
    assert sum(scores[16:]) / 10 > sum(scores[1:6]) / 5 + 0.2


@pytest.mark.parametrize("n_done", [0, 1, 4, 8])
def test_a_sampler_goes_on_from_its_storage_with_the_same_trials(n_done: int, tmp_path: Path) -> None:
    whole = draws(sampler(tmp_path / "whole"), range(12))
    begun = draws(sampler(tmp_path / "parts"), range(n_done))
    sampler(tmp_path / "parts").draw(n_done)  # drawn, and killed before it had a score
    assert begun + draws(sampler(tmp_path / "parts"), range(n_done, 12)) == whole
    assert draws(sampler(tmp_path / "parts"), range(12)) == whole  # nothing is drawn again


def test_a_draw_that_was_killed_half_way_changes_no_other(tmp_path: Path) -> None:
    whole = draws(sampler(tmp_path / "whole"), range(8))
    begun = draws(sampler(tmp_path / "parts"), range(6))
    found = sampler(tmp_path / "parts")
    found._study.ask({"n": found._distributions["n"]})
    assert begun + draws(sampler(tmp_path / "parts"), range(6, 8)) == whole


def test_another_seed_and_another_search_draw_anew_from_one_file(tmp_path: Path) -> None:
    first = draws(sampler(tmp_path, study="first"), range(3))
    assert draws(sampler(tmp_path, study="second"), range(3)) == first
    assert draws(sampler(tmp_path, seed=1, study="third"), range(3))[1:] != first[1:]


def test_a_kill_among_refused_draws_changes_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only_b = SimpleNamespace(__name__="picky", Params=PickyParams, SEARCH=PICKY.SEARCH | {"kind": ["b", "c"]})
    whole = draws(sampler(tmp_path / "whole", module=only_b), range(5))
    refused = [t for t in sampler(tmp_path / "whole", module=only_b)._study.trials if "refused" in t.user_attrs]
    assert refused
    found = sampler(tmp_path / "parts", module=only_b)
    monkeypatch.setattr(found._study, "tell", killed_at_a_refusal(found._study.tell))
    drawn: list[dict[str, Any]] = []
    while len(drawn) < 5:
        try:
            drawn += draws(found, range(len(drawn), len(drawn) + 1))
        except KeyboardInterrupt:
            found = sampler(tmp_path / "parts", module=only_b)
    assert drawn == whole


def killed_at_a_refusal(tell: Any) -> Any:  # noqa: ANN401 - Optuna's
    """A tell that ends the process, so to say, right after the first draw that was refused."""

    def told(trial: Any, value: float) -> None:  # noqa: ANN401 - Optuna's
        tell(trial, value)
        if value == 0:
            raise KeyboardInterrupt

    return told


def test_a_trial_that_diverged_counts_as_one_that_finds_nothing(tmp_path: Path) -> None:
    found = sampler(tmp_path)
    found.draw(0)
    found.tell(0, math.nan)
    assert [trial.value for trial in found._study.trials] == [0.0]


def test_a_space_that_the_model_refuses_everywhere_is_an_error(tmp_path: Path) -> None:
    refusing = SimpleNamespace(__name__="picky", Params=PickyParams, SEARCH={"kind": ["b", "b2"], "n": ["x", "y"]})
    with pytest.raises(ParamsError, match="picky: 100 draws of SEARCH are refused"):
        sampler(tmp_path, module=refusing).draw(1)


def test_without_optuna_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(ParamsError, match=r"sampler tpe: .*; expected the extra `tune`"):
        sampler(tmp_path)
