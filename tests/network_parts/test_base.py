"""The map `networks` of params.yaml, and how a network is found by its name."""

from pathlib import Path

import pytest

from pipeline.errors import ParamsError
from pipeline.network_parts.base import NetworkLine, check_line, network_lines, network_params, network_part


def write(folder: Path, text: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(text)
    return path


def test_a_network_without_a_folder_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(ParamsError, match=r"network 'no': no such network; expected one of .*inception.*vggish"):
        network_part("no", "about")


def test_a_line_says_which_inputs_a_network_reads_and_whose_features_it_makes(tmp_path: Path) -> None:
    path = write(tmp_path, "networks: {vggish: {inputs: logmel, modality: audio}}")
    assert network_lines(path) == {"vggish": NetworkLine(inputs="logmel", modality="audio")}


@pytest.mark.parametrize("value", ["{}", "null", "[vggish]"])
def test_a_map_without_a_line_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ParamsError, match=r"networks: .*; expected NAME: {inputs: STAGE, modality: MODALITY}"):
        network_lines(write(tmp_path, f"networks: {value}"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{inputs: logmel}", r"networks\.vggish\.modality: missing"),
        ("{inputs: logmel, modality: smell}", r"networks\.vggish\.modality: Input should be 'audio' or 'visual'"),
        ("{inputs: wav, modality: audio}", r"networks\.vggish\.inputs: Input should be 'logmel' or 'frames'"),
        ("logmel", r"networks\.vggish: "),
    ],
)
def test_a_line_that_says_too_little_or_something_else_is_refused(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        network_lines(write(tmp_path, f"networks: {{vggish: {line}}}"))


def test_a_line_that_a_network_does_not_fit_is_refused() -> None:
    check_line("vggish", NetworkLine(inputs="logmel", modality="audio"))
    with pytest.raises(ParamsError, match=r"networks\.vggish: .*'visual'}; expected {.*'modality': 'audio'}"):
        check_line("vggish", NetworkLine(inputs="logmel", modality="visual"))


def test_a_network_without_a_section_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="vggish: section is missing"):
        network_params("vggish", write(tmp_path, "inception: {}"))


def test_the_choices_of_a_section_are_what_it_has_besides_its_weights(tmp_path: Path) -> None:
    section = "vggish: {weights: x, allow_random: no, seed: 1, final_relu: true, postprocess: pca}"
    assert network_params("vggish", write(tmp_path, section)).choices == {"final_relu": True, "postprocess": "pca"}
