"""Ranges: what is drawn lies in them, spread as scipy's distributions say, and an empty one is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kstest, loguniform, uniform

from pipeline.errors import ParamsError
from pipeline.model_parts.base import model_module, model_names
from pipeline.model_parts.search_space import Choice, IntUniform, LogUniform, Range, Uniform, Value
from pipeline.settings.params import model_sections, read_section

PARAMS_FILE = Path(__file__).parents[2] / "params.yaml"
RANGES: list[Range] = [Uniform(-1, 3), LogUniform(1e-4, 10.0), IntUniform(2, 4), Choice(("linear", "rbf"))]


def draws(space: Range, n: int = 2000, seed: int = 0) -> list[Value]:
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(n)]


def test_uniform_draws_are_spread_evenly() -> None:
    assert kstest(draws(Uniform(-1, 3)), uniform(-1, 4).cdf).pvalue > 0.01


def test_log_uniform_draws_are_spread_evenly_in_their_logarithm() -> None:
    assert kstest(draws(LogUniform(1e-4, 10.0)), loguniform(1e-4, 10.0).cdf).pvalue > 0.01


def test_no_log_uniform_draw_steps_over_an_end() -> None:
    narrow = LogUniform(0.1, float(np.nextafter(0.1, 1)))
    assert set(draws(narrow)) <= {narrow.low, narrow.high}


def test_whole_numbers_reach_both_ends() -> None:
    numbers, counts = np.unique(draws(IntUniform(2, 4)), return_counts=True)
    assert numbers.tolist() == [2, 3, 4]
    assert counts.min() > 550  # 667 each expected, standard deviation 21


def test_every_value_of_a_choice_is_drawn_as_it_was_given() -> None:
    drawn = draws(Choice((5, 0.5, "rbf", True, None)))
    expected = {(int, 5), (float, 0.5), (str, "rbf"), (bool, True), (type(None), None)}
    assert {(type(value), value) for value in drawn} == expected


@pytest.mark.parametrize("space", RANGES, ids=str)
def test_the_generator_alone_decides(space: Range) -> None:
    assert draws(space, n=20) == draws(space, n=20)
    assert draws(space, n=20) != draws(space, n=20, seed=1)


@pytest.mark.parametrize("space", RANGES, ids=str)
def test_a_value_is_of_a_plain_type_that_yaml_can_hold(space: Range) -> None:
    assert {type(value) for value in draws(space, n=20)} <= {int, float, str}


@pytest.mark.parametrize("name", [name for name in model_names() if hasattr(model_module(name), "SEARCH")])
def test_a_model_takes_what_is_drawn_from_its_ranges(name: str) -> None:
    module, rng = model_module(name), np.random.default_rng(0)
    section = read_section(model_sections(PARAMS_FILE)[name], PARAMS_FILE)
    assert isinstance(section, dict)
    for _ in range(20):
        drawn = {key: space.sample(rng) for key, space in module.SEARCH.items()}
        assert drawn.keys() <= section.keys()
        module.Params.model_validate(section | drawn)


LEARNING = [name for name in model_names() if "patience" in model_module(name).Params.model_fields]


@pytest.mark.parametrize("name", LEARNING)
def test_what_helped_one_network_is_in_reach_of_all(name: str) -> None:
    search, fields = model_module(name).SEARCH, model_module(name).Params.model_fields
    assert search["inputs"] == Choice(("standardised", "whitened"))
    assert search["patience"] == Choice((None, 20))
    assert search["weight_decay"].high == 0.1
    assert search["learning_rate"].low <= 1e-3 < 1e-2 <= search["learning_rate"].high
    assert "dropout" not in fields or search["dropout"].high == 0.8


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniform(2, 2), r"Uniform\(2, 2\): expected finite numbers, low < high"),
        (lambda: Uniform(0, float("inf")), r"Uniform\(0, inf\): expected finite numbers"),
        (lambda: LogUniform(0, 1), r"LogUniform\(0, 1\): expected finite numbers, 0 < low < high"),
        (lambda: LogUniform(1, float("nan")), r"LogUniform\(1, nan\): expected finite numbers"),
        (lambda: IntUniform(3, 3), r"IntUniform\(3, 3\): expected low < high"),
        (lambda: Choice((1,)), r"Choice\(\(1,\)\): expected two values or more"),
        (lambda: Choice((1, 2, 1)), r"Choice\(\(1, 2, 1\)\): expected two values or more, each once"),
    ],
)
def test_a_range_with_nothing_to_choose_is_refused(make: Callable[[], Range], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        make()
