from pathlib import Path
from typing import Self

import pytest
from pydantic import PositiveInt, model_validator

from pipeline.errors import ParamsError
from pipeline.settings.params import StageParams, load_params, model_sections, read_section


class Section(StageParams):
    width: PositiveInt
    name: str


def write(folder: Path, text: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(text)
    return path


def test_a_dotted_section_is_read_into_its_model(tmp_path: Path) -> None:
    path = write(tmp_path, "baselines: {cca: {width: 3, name: x}}")
    assert load_params("baselines.cca", Section, path) == Section(width=3, name="x")


def test_a_file_is_read_anew_once_it_is_edited_and_nobody_changes_what_another_reads(tmp_path: Path) -> None:
    path = write(tmp_path, "a: {width: 3, names: [x]}")
    section = read_section("a", path)
    assert isinstance(section, dict)
    section["names"].append("y")
    assert read_section("a", path) == {"width": 3, "names": ["x"]}
    write(tmp_path, "a: {width: 4}")
    assert read_section("a", path) == {"width": 4}


def test_every_wrong_key_is_named_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "a: {widht: 3, name: x}")
    with pytest.raises(ParamsError, match=r"a\.width: missing; a\.widht: unknown key"):
        load_params("a", Section, path)


def test_a_value_out_of_range_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path, "a: {width: -3, name: x}")
    with pytest.raises(ParamsError, match=r"a\.width: .*greater than 0 \(got -3\)"):
        load_params("a", Section, path)


class Numbers(StageParams):
    width: PositiveInt | None
    share: float
    seeds: list[int]
    whiten: bool


NUMBERS = {"width": "3", "share": "1e-3", "seeds": "[0]", "whiten": "true"}


def numbers(folder: Path, **changed: str) -> Path:
    values = NUMBERS | changed
    return write(folder, f"a: {{{', '.join(f'{key}: {value}' for key, value in values.items())}}}")


@pytest.mark.parametrize(
    ("key", "value"), [("width", "true"), ("width", "yes"), ("share", "false"), ("seeds", "[0, true]")]
)
def test_true_and_false_are_no_numbers(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(ParamsError, match=rf"a\.{key}: expected a number, not true or false .*\(got .*(True|False)"):
        load_params("a", Numbers, numbers(tmp_path, **{key: value}))


def test_a_number_with_an_exponent_needs_no_point(tmp_path: Path) -> None:
    params = load_params("a", Numbers, numbers(tmp_path))
    assert (params.width, params.share, params.seeds, params.whiten) == (3, 0.001, [0], True)


class Range(StageParams):
    low: int
    high: int

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.high < self.low:
            raise ValueError(f"low={self.low}, high={self.high}; expected low <= high")
        return self


def test_keys_that_disagree_are_named_without_the_rest_of_the_section(tmp_path: Path) -> None:
    path = write(tmp_path, "a: {low: 3, high: 1}")
    with pytest.raises(ParamsError, match=r"params\.yaml: a: low=3, high=1; expected low <= high$"):
        load_params("a", Range, path)


def test_a_missing_section_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"a\.b: section is missing"):
        read_section("a.b", write(tmp_path, "a: 1"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"params\.yaml: No such file"):
        read_section("a", tmp_path / "params.yaml")


def test_text_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="not YAML"):
        read_section("a", write(tmp_path, "a: [1"))


def test_params_cannot_be_changed_after_loading(tmp_path: Path) -> None:
    params = load_params("a", Section, write(tmp_path, "a: {width: 3, name: x}"))
    with pytest.raises(ValueError, match="frozen"):
        params.width = 4


def test_the_models_and_their_sections_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, "models: {dual_subspace: model, cca: baselines.cca}")
    assert model_sections(path) == {"dual_subspace": "model", "cca": "baselines.cca"}


@pytest.mark.parametrize("models", ["{}", "[cca]", "{cca: 3}"])
def test_models_that_are_no_map_of_sections_are_refused(tmp_path: Path, models: str) -> None:
    with pytest.raises(ParamsError, match="expected NAME: SECTION for at least one model"):
        model_sections(write(tmp_path, f"models: {models}"))


@pytest.mark.parametrize(
    "content",
    [b"a: \xff", b"a: \0", b"[" * 5000, b"- " * 5000, b"a: 2001-99-99"],
    ids=["no UTF-8", "NUL", "[", "-", "date"],
)
def test_damaged_text_is_no_yaml(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(ParamsError, match=r"params.yaml: not YAML \((.|\n)*\); expected sections of key: value"):
        read_section("a", tmp_path / "params.yaml")


def test_aliases_that_grow_without_end_are_shown_in_short(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    (tmp_path / "params.yaml").write_text("\n".join([*lines, "models: *a11"]))
    with pytest.raises(ParamsError, match="expected NAME: SECTION for at least one model") as caught:
        model_sections(tmp_path / "params.yaml")
    assert len(str(caught.value)) < 100_000


def test_a_file_too_large_for_parameters_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"#" * 1_048_577)
    with pytest.raises(ParamsError, match="1048577 bytes; expected at most 1048576"):
        read_section("a", tmp_path / "params.yaml")
