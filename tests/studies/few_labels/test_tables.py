"""The tables and curves of the study of few labels."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluate.independence import Groups
from studies.few_labels.curves import draw_curves
from studies.few_labels.draws import Draw
from studies.few_labels.fits import FORMS, FormScores, OfForms
from studies.few_labels.tables import margin, tables


def of_forms(**precisions: list[float]) -> OfForms:
    """All forms have an average precision of 0.3 for each of four clips, but those that are given."""
    given = {form: precisions.get(form, [0.3] * 4) for form in FORMS if not form.endswith("pseudo")}
    return {
        form: FormScores(0.25, 0.75 if form.endswith("by_agreement") else None, values)
        for form, values in given.items()
    }


def test_a_margin_is_over_the_better_form_with_the_error_over_draws() -> None:
    draws = [of_forms(dual=[0.5] * 4, pairs=[0.4] * 4), of_forms(dual=[0.7] * 4, pairs=[0.4] * 4)]
    error = 100 * np.std([0.1, 0.3], ddof=1) / np.sqrt(2)
    assert margin(draws, "dual", ("pairs", "labels"), None) == f"+20.0 ± {error:.1f}"
    assert margin(draws[:1], "dual", ("labels",), None) == "+20.0"


def test_where_clips_share_pictures_the_error_is_over_groups_of_them() -> None:
    draws = [of_forms(dual=[0.4, 0.4, 0.6, 0.6])] * 3
    pictures = Groups.of({"sounds": [""] * 4, "pictures": ["a", "a", "b", "b"], "sources": [""] * 4})
    assert margin(draws, "dual", ("one",), pictures) == "+20.0 ± 10.0"  # two groups, of 10 and of 30
    assert margin(draws, "dual", ("one",), Groups.each_its_own(4)) == "+20.0 ± 5.8"


def test_tables_have_a_row_a_condition_and_a_column_a_form_that_was_fitted() -> None:
    found = {Draw("made_hard", 0.5, 0.05, 0.4, seed): of_forms(one=[0.1 * seed] * 4) for seed in (1, 2)}
    found[Draw("digits", None, 1.0, 0.0, 0)] = of_forms()
    scores, margins, shares = "\n".join(tables(found, {"digits": Groups.each_its_own(4)})).split("\n\n")
    assert FORMS["apart"] in scores
    assert FORMS["dual_pseudo"] not in scores
    assert scores.splitlines()[2].startswith("| made_hard | 0.5 | 5 % | 40 % | 2 | 0.300 | 0.300 | 0.150 |")
    assert margins.splitlines()[2].split(" | ")[4:8] == ["-15.0 ± 5.0", "+0.0 ± 0.0", "+0.0 ± 0.0", "+15.0 ± 5.0"]
    assert shares.splitlines()[3] == "| digits |  | 100 % | 0 % | 0.75 | 0.75 | 0.75 | 0.75 | 0.75 | 0.75 | 0.25 |"


def test_the_same_numbers_draw_the_same_curves(tmp_path: Path) -> None:
    labels = ((0.05, 0.0), (1.0, 0.4), (1.0, 0.0))
    found = {Draw("made_hard", shared, *of, 0): of_forms() for shared in (0.0, 0.5) for of in labels}
    for name in ("a.png", "b.png"):
        draw_curves(tmp_path / name, found)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_words_of_its_own(form: str) -> None:
    assert [FORMS[other] for other in FORMS].count(FORMS[form]) == 1
