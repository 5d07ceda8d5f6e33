"""A rival with its authors' settings: a command that DVC takes, parameters that the model takes, a row of test MAPs."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.formats.feature_table import FeatureTable
from pipeline.model_parts.base import Pairs, model_module
from pipeline.retrieval import average_map
from pipeline.settings.params import load_params, model_sections
from studies import authors
from tests.helpers.arcs import TEST, TRAIN, VALIDATION
from tests.helpers.pages import blocks
from tests.helpers.project import ROOT
from tests.helpers.yaml_text import read_yaml


def as_the_authors(model: str) -> dict[str, object]:
    """The section of params.yaml as the options of the command would write it."""
    words = authors.command(model, [])
    section = model_sections(ROOT / "params.yaml")[model]
    written = dict(word.removeprefix(f"{section}.").split("=") for word in words if word.startswith(section))
    params = load_params(section, model_module(model).Params, ROOT / "params.yaml").model_dump()
    return params | {key: read_yaml(value) for key, value in written.items()}


def test_the_settings_become_the_words_of_a_named_experiment() -> None:
    words = authors.command("dscmr", ["dataset.source=folder"])
    assert words[1:9] == ["-m", "dvc", "exp", "run", "--temp", "--name", "authors-dscmr", "-S"]
    assert words[9] == "dataset.source=folder"
    assert "baselines.dscmr.classifier_bias=true" in words


def test_dscmr_has_the_layers_of_its_authors_code() -> None:
    module = model_module("dscmr")
    network = module.DscmrNetwork(128, 64, 10, module.Params.model_validate(as_the_authors("dscmr")))
    shapes = {name: tuple(value.shape) for name, value in network.named_parameters()}
    assert sorted(shapes.values()) == sorted(
        [(2048, 128), (2048,), (2048, 64), (2048,), (1024, 2048), (1024,), (10, 1024), (10,)]
    )
    below = torch.randn(3, 128, generator=torch.Generator().manual_seed(0))
    weight, bias = network.audio.private[0][0].weight, network.audio.private[0][0].bias
    hidden = (below @ weight.T + bias).clamp(min=0)  # ReLU and nothing else
    expected = hidden @ network.audio.shared.weight.T + network.audio.shared.bias
    torch.testing.assert_close(network.audio.train()(below), expected)


def test_the_page_of_the_models_lists_the_settings_that_are_run() -> None:
    (listed,) = (block.text for block in blocks("docs/models.md") if "classifier_bias" in block.text)
    assert read_yaml(listed) == authors.SETTINGS["dscmr"]


def table(test: Pairs) -> FeatureTable:
    """The arcs as a table, with test rows of one's choice."""
    splits = {"train": TRAIN, "validation": VALIDATION, "test": test}
    audio, visual, labels = (np.concatenate(arrays) for arrays in zip(*splits.values(), strict=True))
    return FeatureTable(
        clip_ids=[f"clip {i}" for i in range(len(labels))],
        splits=[split for split, pairs in splits.items() for _ in pairs.labels],
        labels=labels,
        classes=["a", "b", "c"],
        audio=audio,
        visual=visual,
        provenance={},
    )


@pytest.mark.parametrize("model", [*authors.SETTINGS, *authors.FORMS])
def test_a_row_has_mean_and_deviation_of_the_test_maps(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    maps = []
    for seed in (3, 4):
        fitted = authors.authors_model(model, seed, epochs=2)
        assert len(fitted.fit(TRAIN, VALIDATION)) == 2
        maps.append(average_map(fitted.embed_audio(TEST.audio), fitted.embed_visual(TEST.visual), TEST.labels))
    mean, deviation = sum(maps) / 2, abs(maps[0] - maps[1]) / 2**0.5
    assert authors.row(model, table(TEST), [3, 4], epochs=2) == f"| {model} | 2 | 2 | {mean:.3f} | {deviation:.3f} |"


def test_one_seed_has_no_deviation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert authors.row("acmr", table(TEST), [0], epochs=1).endswith(" | - |")


def test_the_test_rows_choose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    seen = []
    monkeypatch.setattr("pipeline.retrieval.average_map", lambda audio, *rest: seen.append(audio) or 0.5)
    for sign in (1, -1):
        authors.row("dscmr", table(Pairs(sign * TEST.audio, sign * TEST.visual, TEST.labels)), [0], epochs=2)
    fitted = authors.authors_model("dscmr", 0, epochs=2)
    fitted.fit(TRAIN, VALIDATION)
    for found, sign in zip(seen, (1, -1), strict=True):
        np.testing.assert_array_equal(found, fitted.embed_audio(sign * TEST.audio))


def test_a_form_that_params_cannot_say_needs_features(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["authors", "acmr"])
    with pytest.raises(SystemExit):
        authors.main()
    assert (
        "acmr: its layers and losses are not those of params.yaml; expected --features FILE" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--features", "nosuch.h5"], r"^authors: DataError: dataset.path=nosuch.h5: not there"),
        (
            ["--features", "bad.h5", "-S", "a=1"],
            r"^authors: ParamsError: -S a=1 with --features; expected -S for a DVC ",
        ),
        (["--features", "bad.h5"], r"^authors: DataError: bad.h5: .*; expected an HDF5 file that can be read"),
    ],
    ids=["missing", "experiment", "damaged"],
)
def test_features_that_cannot_be_read_end_it_with_one_line(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "bad.h5").write_text("no HDF5")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["authors", "acmr", *words])
    with pytest.raises(SystemExit, match=message):
        authors.main()


def test_no_epoch_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["authors", "acmr", "--features", "nosuch.h5", "--epochs", "0"])
    with pytest.raises(SystemExit):
        authors.main()
    assert "--epochs 0; expected at least 1" in capsys.readouterr().err


@pytest.mark.parametrize(("heading", "model"), [("acmr", "acmr"), ("tnn_c_cca", "tnn_c_cca")])
def test_the_page_lists_the_settings_of_the_forms(heading: str, model: str) -> None:
    listed = [read_yaml(block.text) for block in blocks("docs/models.md") if block.language == "yaml"]
    varied = {"trained", "pairs", "inputs", "whitening_ridge", "seeds", "weight_decay", "clip_norm", "patience"}
    assert {key: value for key, value in authors.FORMS[model].items() if key not in varied} in listed, heading
