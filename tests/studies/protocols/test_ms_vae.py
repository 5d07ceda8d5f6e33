"""The command ``python -m studies.protocols.ms_vae`` on small files in the layout of AVE's published features."""

import re
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

from pipeline.errors import DataError
from studies.protocols import ms_vae
from studies.protocols.ave_seconds import read_published
from tests.helpers.feature_files import write_h5
from tests.helpers.project import ROOT
from tests.helpers.yaml_text import read_yaml

N_VIDEOS, N_CLASSES = 30, 3
SMALL = {
    "audio_widths": [8], "visual_widths": [8], "decoder_widths": [8], "latent_width": 3, "epochs": 3, "seeds": [0, 1],
}  # fmt: skip
CELL = re.compile(r"\| (\w+) \| (.+) \|")


def params() -> dict[str, Any]:
    values: dict[str, Any] = read_yaml((ROOT / "params.yaml").read_text())["baselines"]["ms_vae"] | SMALL
    return values


def write_published(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """The files of AVE; starts and lengths of the events of all videos."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 10, N_VIDEOS)
    starts = rng.integers(0, 11 - lengths)
    one_hot = np.zeros((N_VIDEOS, 10, N_CLASSES + 1))
    for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        one_hot[row, :, -1] = 1
        one_hot[row, start : start + length] = np.eye(N_CLASSES + 1)[row % N_CLASSES]
    write_h5(root / "labels.h5", {"avadataset": one_hot})
    write_h5(root / "audio_feature.h5", {"avadataset": rng.normal(size=(N_VIDEOS, 10, 4))})
    write_h5(root / "visual_feature.h5", {"avadataset": rng.normal(size=(N_VIDEOS, 10, 7, 7, 5))})
    for i, name in enumerate(("train", "val", "test")):
        write_h5(root / f"{name}_order_match.h5", {"order": np.arange(N_VIDEOS)[i::3]})
    return starts, lengths


def run(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, work: Path) -> str:
    """What the command prints in a folder that has params.yaml."""
    everything = read_yaml((ROOT / "params.yaml").read_text())
    everything["baselines"]["ms_vae"] = params()
    (work / "params.yaml").write_text(yaml.safe_dump(everything))
    monkeypatch.chdir(work)
    monkeypatch.setattr(sys, "argv", ["ms_vae", str(folder)])
    ms_vae.main()
    return capsys.readouterr().out


def test_published_features_give_both_tables_with_sixteen_numbers_of_retrieval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "ave"
    folder.mkdir()
    _, lengths = write_published(folder)
    said = run(folder, capsys, monkeypatch, tmp_path)
    first, localisation, retrieval = said.strip().split("\n\n")
    assert first == "10 test videos with an event, 10 of them longer than it; 2 seeds"
    rows = ["latent", "generated", "own", "chance"]
    heads = {"localisation": "a->v v->a", "retrieval": "a->a a->v v->a v->v"}
    for text, (task, ways) in zip((localisation, retrieval), heads.items(), strict=True):
        lines = text.splitlines()
        assert lines[0] == f"| {task} | {' | '.join(ways.split())} |"
        assert [found[1] for line in lines[2:] if (found := CELL.fullmatch(line))] == rows
        assert {line.count("|") for line in lines} == {len(ways.split()) + 2}
    chance = np.mean(1 / (11 - lengths[2::3]))
    assert localisation.endswith(f"| chance | {100 * chance:.1f} | {100 * chance:.1f} |")
    numbers = re.findall(r"\d\.\d{3}", retrieval)
    assert len(numbers) == 16
    assert all(0 < float(number) <= 1 for number in numbers)


def test_seconds_are_scaled_by_their_largest_value_and_places_are_averaged(tmp_path: Path) -> None:
    write_published(tmp_path)
    with h5py.File(tmp_path / "visual_feature.h5") as file:
        mean = file["avadataset"][:].mean(axis=(2, 3))
    test = read_published(tmp_path)["test"]
    expected = mean[2::3] / np.abs(mean[2::3]).max(axis=-1, keepdims=True)
    np.testing.assert_allclose(test.visual, expected, rtol=1e-6)
    assert np.abs(test.audio).max(axis=2) == pytest.approx(1)
    write_h5(tmp_path / "visual_feature_vec.h5", {"avadataset": mean})
    np.testing.assert_array_equal(read_published(tmp_path)["test"].visual, test.visual)


def test_the_events_are_those_of_the_labels(tmp_path: Path) -> None:
    starts, lengths = write_published(tmp_path)
    clips = ms_vae.published_clips(read_published(tmp_path)["test"])
    assert [(clip.start, clip.length) for clip in clips] == list(
        zip(starts[2::3].tolist(), lengths[2::3].tolist(), strict=True)
    )
    assert [clip.label for clip in clips] == [str(row % N_CLASSES) for row in range(2, N_VIDEOS, 3)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: (root / "labels.h5").unlink(), "no labels.h5; expected audio_feature.h5 visual_feature.h5"),
        (
            lambda root: write_h5(root / "labels.h5", {"avadataset": np.zeros((9, 10, 4))}),
            "labels.h5: avadataset: video 0, ",
        ),
        (
            lambda root: write_h5(root / "labels.h5", {"avadataset": np.ones((N_VIDEOS, 10, 1))[:9]}),
            "videos and seconds",
        ),
        (
            lambda root: write_h5(root / "audio_feature.h5", {"avadataset": np.full((N_VIDEOS, 10, 4), np.nan)}),
            "audio_feature.h5: avadataset: NaN or infinite values",
        ),
        (
            lambda root: write_h5(root / "audio_feature.h5", {"avadataset": np.zeros((N_VIDEOS, 10))}),
            r"audio_feature.h5: avadataset: shape \(30, 10\); expected \(n, seconds, width\)",
        ),
    ],
    ids=["missing", "no label", "lengths", "not finite", "shape"],
)
def test_files_that_cannot_be_right_are_named(tmp_path: Path, change: Any, message: str) -> None:  # noqa: ANN401 - lambdas
    write_published(tmp_path)
    change(tmp_path)
    with pytest.raises(DataError, match=message):
        read_published(tmp_path)


def test_an_event_in_two_runs_is_refused(tmp_path: Path) -> None:
    write_published(tmp_path)
    test = read_published(tmp_path)["test"]
    test.classes[0] = [0, 0, 3, 3, 0, 0, 3, 3, 3, 3]
    with pytest.raises(DataError, match=r"test video 0: seconds \[0, 1, 4, 5\] of its event; expected one run"):
        ms_vae.published_clips(test)


def test_without_features_it_ends_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=r"^protocols: DataError: .*: no audio_feature.h5, visual_feature_vec.h5"):
        run(tmp_path, capsys, monkeypatch, tmp_path)


def test_events_that_fill_their_videos_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_published(tmp_path)
    write_h5(tmp_path / "labels.h5", {"avadataset": np.tile([1.0, 0, 0, 0], (N_VIDEOS, 10, 1))})
    with pytest.raises(SystemExit, match="no test video with an event shorter than itself; expected event times"):
        run(tmp_path, capsys, monkeypatch, tmp_path)
