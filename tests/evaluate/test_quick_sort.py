"""Ranking starts again without AVX-512 where that is measured to be quicker, once, and gives the same numbers."""

import os
import subprocess
import sys

import numpy as np
import pytest

from pipeline.evaluate import quick_sort
from pipeline.evaluate.quick_sort import SCORES_WORTH_A_LOOK, SWITCH, seconds_without_avx512, start_again_if_quicker

SCRIPT = """
import os, sys
from pipeline.evaluate import quick_sort
quick_sort.sort_seconds, quick_sort.seconds_without_avx512 = lambda: 1.0, lambda: float('{without}')
print("start", sys.argv[1:], os.environ.get(quick_sort.SWITCH), os.getpid())
quick_sort.start_again_if_quicker({n_scores})
print("end", os.getpid())
"""


def run(without: float, n_scores: int, **variables: str) -> list[str]:
    command = [sys.executable, "-c", SCRIPT.format(without=without, n_scores=n_scores), "a word", "-x"]
    environment = {name: value for name, value in os.environ.items() if name != SWITCH} | variables
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return answer.stdout.splitlines()


def test_the_program_starts_again_with_its_own_words_in_its_own_process_and_once() -> None:
    first, said, second, end = run(0.2, SCORES_WORTH_A_LOOK)
    process = end.removeprefix("end ")
    assert first == f"start ['a word', '-x'] None {process}"
    assert said == "evaluate: sorts 5.0 times as fast without numpy's AVX-512: started again so"
    assert second == f"start ['a word', '-x'] {quick_sort.AVX512} {process}"


@pytest.mark.parametrize(
    ("without", "n_scores", "variables"),
    [
        (0.9, SCORES_WORTH_A_LOOK, {}),  # a start would cost more
        (float("inf"), SCORES_WORTH_A_LOOK, {}),  # it could not be measured
        (0.2, SCORES_WORTH_A_LOOK - 1, {}),  # there is little to sort
        (0.2, SCORES_WORTH_A_LOOK, {SWITCH: "AVX512_ICL"}),  # its user chose
    ],
)
def test_it_goes_on_where_that_is_no_gain(without: float, n_scores: int, variables: dict[str, str]) -> None:
    assert [line.partition(" ")[0] for line in run(without, n_scores, **variables)] == ["start", "end"]


def test_the_other_sort_is_measured_in_a_process_of_its_own() -> None:
    assert 0 < seconds_without_avx512() < 1
    assert SWITCH not in os.environ


def test_a_process_that_says_nothing_is_no_reason_to_start_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert seconds_without_avx512() == float("inf")
    start_again_if_quicker(SCORES_WORTH_A_LOOK)


@pytest.mark.skipif(
    not np.show_config(mode="dicts")["SIMD Extensions"].get("found", []), reason="this processor has one sort"
)
def test_both_sorts_and_products_give_one_ranking() -> None:
    code = (
        "import numpy as np; from pipeline.evaluate.query_metrics import query_metrics; r = np.random.default_rng(0);"
        "q, g = r.normal(size=(2, 400, 8)).round(1); l = np.arange(400) % 5; m = query_metrics(q, g, l, l, (1, 5));"
        "print(*(x.hex() for name in ('map', 'mrr', 'recall_at_5') for x in m.scalars[name].tolist()))"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for variables in ({}, {SWITCH: quick_sort.AVX512})
    ]
    assert answers[0] == answers[1]
    assert len(np.array(answers[0].split())) == 1200
