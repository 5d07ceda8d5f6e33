"""The stage `features` on windows: their vectors against NumPy's, and which of them cannot be used."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from pipeline.dataset.feature_files.export import export_run
from pipeline.formats import provenance, rejects
from pipeline.formats.clips import SPLITS, Clip, write_clips
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.rejects import Reject
from pipeline.formats.shards import Arrays, write_shards
from stages import features as stage

ROOT = Path(__file__).parents[2]
PATHS = ("clips.csv", "imported", "dataset", "logmel", "frames", "vggish", "inception", "features.safetensors")
N_SECONDS, WINDOWS = 25, ((0.0, 10.0), (10.0, 20.0), (15.0, 25.0))
FILMS = [Clip(clip_id=f"{k}.mp4", path=f"{k}.mp4", label="ab"[k % 2], split=SPLITS[k % 3]) for k in range(6)]
PARTS = [film.part(*window) for film in FILMS for window in WINDOWS]
WIDTHS = {"vggish": 8, "inception": 12}


def vectors(network: str, film: str, n_seconds: float = N_SECONDS) -> Arrays:
    """Random vectors of a film: sounds from 0, 0.96, 1.92 s on, pictures at 0.5, 1.5, 2.5 s."""
    hop, offset = (0.96, 0.0) if network == "vggish" else (1.0, 0.5)
    seconds = np.arange(int(n_seconds / hop)) * hop + offset
    rng = np.random.default_rng([ord(film[0]), WIDTHS[network]])
    return {"embeddings": rng.normal(size=(len(seconds), WIDTHS[network])).astype(np.float32), "seconds": seconds}


def run(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    clips: list[Clip],
    sound_seconds: float = N_SECONDS,
    refused: str = "",
) -> list[str]:
    """The clips of the table that the stage writes; the first film's sound may be short, and one may be refused."""
    shutil.copy(ROOT / "params.yaml", folder)
    monkeypatch.chdir(folder)
    write_clips(folder / "clips.csv", clips)
    for network in WIDTHS:
        made = {film.clip_id: vectors(network, film.clip_id) for film in FILMS if film.clip_id != refused}
        if network == "vggish":
            made[FILMS[0].clip_id] = vectors(network, FILMS[0].clip_id, sound_seconds)
        write_shards(folder / network, made, made.__getitem__)
        provenance.write_provenance(folder / network, {})
    for name in ("dataset", "logmel", "frames"):
        (folder / name).mkdir()
        rows = [Reject(refused, name, "no_audio", "why")] if refused and name == "logmel" else []
        rejects.write(folder / name / rejects.FILE, rows)
    FeatureTable.empty().save(folder / "imported")
    stage.main(*(folder / name for name in PATHS))
    return FeatureTable.load(folder / "features.safetensors").clip_ids


def inside(network: str, clip: Clip) -> NDArray[np.bool_]:
    """Whether the middle of each vector of a film lies in a window."""
    middles = vectors(network, clip.file_id)["seconds"] + (0.48 if network == "vggish" else 0.0)
    start, end = clip.window or (0.0, np.inf)
    return np.asarray((start <= middles) & (middles < end))


def test_a_window_is_the_mean_of_the_vectors_whose_middle_lies_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tmp_path, monkeypatch, PARTS) == [part.clip_id for part in PARTS]
    table = FeatureTable.load(tmp_path / "features.safetensors")
    assert table.splits == [part.split for part in PARTS]
    for part, audio in zip(PARTS, table.audio, strict=True):
        expected = vectors("vggish", part.file_id)["embeddings"][inside("vggish", part)].astype(np.float64)
        np.testing.assert_allclose(audio, expected.mean(axis=0), rtol=1e-6)
    assert [inside("inception", part).sum() for part in PARTS] == [10] * len(PARTS)


def test_whole_files_have_the_same_features_beside_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, clips in {"whole": FILMS, "mixed": [*FILMS[:5], *PARTS[-3:]]}.items():
        (tmp_path / name).mkdir()
        run(tmp_path / name, monkeypatch, clips)
    whole, mixed = (FeatureTable.load(tmp_path / name / "features.safetensors") for name in ("whole", "mixed"))
    assert mixed.clip_ids[:5] == whole.clip_ids[:5]
    np.testing.assert_array_equal(mixed.audio[:5], whole.audio[:5])


def test_a_window_without_sound_is_refused_with_its_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = run(tmp_path, monkeypatch, PARTS, sound_seconds=12.0)
    assert left == [part.clip_id for part in PARTS if part != PARTS[2]]
    (row,) = rejects.read(tmp_path / "rejected.csv")
    assert row == Reject(
        "0.mp4#t=15,25",
        "features",
        "too_short",
        "clip '0.mp4#t=15,25': no sound from 15 s to 25 s; expected a window in which its file has both",
    )


def test_a_refused_file_takes_all_its_windows_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = run(tmp_path, monkeypatch, PARTS, refused="2.mp4")
    assert left == [part.clip_id for part in PARTS if part.file_id != "2.mp4"]
    names = [row.clip_id for row in rejects.read(tmp_path / "rejected.csv")]
    assert names == [part.clip_id for part in PARTS if part.file_id == "2.mp4"]


@pytest.mark.parametrize("clips", [FILMS, PARTS])
def test_a_long_file_that_is_one_clip_gets_a_loud_line(
    clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.features.clip_windows.LONG_SECONDS", 20.0)
    run(tmp_path, monkeypatch, clips)
    loud = capsys.readouterr().err
    assert loud.startswith("features: LONG FILES: 6 clips last longer than 20 s, such as '0.mp4' with 24 s") == (
        clips is FILMS
    )
    assert ("-S dataset.window_seconds=10" in loud) == (clips is FILMS)


def test_short_clips_get_no_loud_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, monkeypatch, FILMS)
    assert capsys.readouterr().err == ""


def test_exported_vectors_over_time_are_those_of_each_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, monkeypatch, PARTS)
    export_run(tmp_path / "features.safetensors", tmp_path / "embeddings", [], tmp_path / "out")
    for network in WIDTHS:
        rows = pq.read_table(tmp_path / f"out/{network}_vectors.parquet").to_pylist()
        for part in PARTS:
            of_part = [row for row in rows if row["clip_id"] == part.clip_id]
            arrays, places = vectors(network, part.file_id), inside(network, part)
            np.testing.assert_array_equal([row["seconds"] for row in of_part], arrays["seconds"][places])
            np.testing.assert_array_equal([row["vector"] for row in of_part], arrays["embeddings"][places])
