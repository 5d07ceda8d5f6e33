"""Draws: each is a trial's own, lies in its range, and what the model refuses is drawn again."""

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import field_validator
from scipy.stats import kstest, loguniform, uniform

from pipeline.errors import ParamsError
from pipeline.model_parts.base import model_module, model_names
from pipeline.model_parts.search_space import Choice, Distribution
from pipeline.settings.params import StageParams, model_sections, read_section
from pipeline.tune.draws import distributions, draw
from tests.helpers.project import ROOT

N = 400


class AnyParams(StageParams):
    value: bool | int | float | str | None


def draws(of: Distribution | list[Choice], seed: int = 0, n: int = N) -> list[Any]:
    """What trials 1 to n draw of one parameter."""
    module = SimpleNamespace(__name__="any", Params=AnyParams, SEARCH={"value": of})
    return [draw(module, AnyParams(value=None), seed, number)["value"] for number in range(1, n + 1)]


def test_numbers_are_spread_over_the_trials_as_their_distribution_says() -> None:
    assert kstest(draws(("uniform", -1, 4)), uniform(-1, 4).cdf).pvalue > 0.01
    assert kstest(draws(("loguniform", 1e-4, 10.0)), loguniform(1e-4, 10.0).cdf).pvalue > 0.01


def test_whole_numbers_reach_both_ends_alike() -> None:
    drawn = draws(("randint", 2, 5))
    assert sorted(set(drawn)) == [2, 3, 4]
    assert min(drawn.count(number) for number in (2, 3, 4)) > N / 3 - 3 * 9.4  # three standard deviations


def test_every_value_of_a_list_is_drawn_as_it_was_given() -> None:
    expected = {(int, 5), (float, 0.5), (str, "rbf"), (type(None), None)}
    assert {(type(value), value) for value in draws([5, 0.5, "rbf", None])} == expected


@pytest.mark.parametrize("of", [("uniform", -1, 4), ("loguniform", 0.1, 9), ("randint", 0, 9), ["a", "b"]], ids=str)
def test_a_seed_and_the_number_of_a_trial_alone_decide_in_plain_types(of: Distribution | list[Choice]) -> None:
    drawn = draws(of, n=50)
    assert draws(of, n=50) == drawn
    assert draws(of, seed=1, n=50) != drawn
    assert {type(value) for value in drawn} <= {int, float, str}  # that YAML and JSON can hold


@pytest.mark.parametrize("name", [name for name in model_names() if hasattr(model_module(name), "SEARCH")])
def test_a_model_takes_what_is_drawn_from_its_ranges(name: str) -> None:
    module, params_file = model_module(name), ROOT / "params.yaml"
    section = read_section(model_sections(params_file)[name], params_file)
    assert isinstance(section, dict)
    base = module.Params.model_validate(section)
    for number in range(1, 21):
        drawn = draw(module, base, 0, number)
        assert drawn.keys() == module.SEARCH.keys() <= section.keys()
        module.Params.model_validate(section | drawn)


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (
            ("uniform", 2, 0),
            r"SEARCH: value: \('uniform', 2, 0\); expected a range from a finite number up to a higher",
        ),
        (("uniform", 0, float("inf")), r"\('uniform', 0, inf\); expected a range from a finite number"),
        (("loguniform", 0, 1), r"\('loguniform', 0, 1\); expected a range from a finite number"),
        (("loguniform", 1, float("nan")), r"\('loguniform', 1, nan\); expected a range from a finite number"),
        (("randint", 3, 4), r"\('randint', 3, 4\); expected a range from a finite number up to a higher one"),
        (("log_uniform", 1, 2), r"SEARCH: value: \('log_uniform', 1, 2\); expected loguniform, randint or uniform"),
        ([1], r"SEARCH: value: \[1\]; expected two values or more, each once"),
        ([1, 2, 1], r"SEARCH: value: \[1, 2, 1\]; expected two values or more, each once"),
    ],
)
def test_a_range_with_nothing_to_choose_is_refused(of: Any, message: str) -> None:  # noqa: ANN401 - wrong ones
    with pytest.raises(ParamsError, match=message):
        distributions({"value": of})


class PickyParams(StageParams):
    rate: float
    kind: str

    @field_validator("kind")
    @classmethod
    def _no_b(cls, kind: str) -> str:
        if kind == "b":
            raise ValueError("b")
        return kind


def picky(kinds: list[str]) -> Any:  # noqa: ANN401 - stands for a model's module
    ranges = {"rate": ("loguniform", 0.1, 10.0), "kind": kinds}
    return SimpleNamespace(__name__="picky", Params=PickyParams, SEARCH=ranges)


def test_draws_stay_in_their_ranges_and_what_the_model_refuses_is_drawn_again() -> None:
    base = PickyParams(rate=1.0, kind="z")
    draws = [draw(picky(["a", "b", "c"]), base, 0, number) for number in range(40)]
    assert draws[0] == {"rate": 1.0, "kind": "z"}
    assert all(0.1 <= values["rate"] <= 10 for values in draws[1:])
    assert {values["kind"] for values in draws[1:]} == {"a", "c"}
    assert len({values["rate"] for values in draws}) == 40


def test_a_space_that_the_model_refuses_everywhere_is_an_error() -> None:
    refusing = SimpleNamespace(__name__="picky", Params=PickyParams, SEARCH={"rate": ["x", "y"]})
    with pytest.raises(ParamsError, match="picky: all 1000 draws of SEARCH are refused"):
        draw(refusing, PickyParams(rate=1.0, kind="a"), 0, 1)
