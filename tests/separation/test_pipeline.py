"""The second pipeline from films to metrics.json, on a few people: its rows, its files, and its honesty."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.formats import rejects
from pipeline.formats.clips import Clip, write_clips, write_root
from pipeline.formats.files import file_sha256
from pipeline.formats.shards import read_shards
from pipeline.video import write_mp4
from tests.helpers.separation import SMALL, Separation
from tests.helpers.tracks import standing, write_tracks

ROWS = ["mixture", "ideal_binary_mask", "ideal_ratio_mask", "ideal_complex_mask", "audio_only", "visualvoice"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Separation:
    separation = Separation(tmp_path_factory.mktemp("separation") / "run", tmp_path_factory.mktemp("cache"))
    separation.run()
    return separation


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_metrics_have_every_row(finished: Separation) -> None:
    rows = finished.metrics()["rows"]
    films = ("lips", "face", "unreliable_lips", "unreliable_lips_alone", "swapped", "still", "blank")
    assert list(rows) == [*ROWS, *(f"visualvoice_{film}" for film in films)]
    assert rows["visualvoice_blank"]["permutation"] == "best"
    assert rows["mixture"]["si_sdr_improvement"] == 0
    assert rows["audio_only"]["permutation"] == "best"
    assert rows["ideal_complex_mask"]["si_sdr_improvement"] > 20
    assert {row["n_mixtures"] for row in rows.values()} == {SMALL["mixtures"]["n_test"]}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_metrics_say_what_was_measured_on(finished: Separation) -> None:
    metrics = finished.metrics()
    assert metrics["dataset"] == {
        "n_clips": 16,
        "n_people": 8,
        "n_test_people": 2,
        "n_test_people_in_train": 0,
        "n_clips_at_full_scale": 0,
        "rejected": {},
    }
    assert metrics["mixtures"]["n_test"] == 6
    assert list(metrics["comparisons"]["visualvoice"]) == ["audio_only", "visualvoice_lips"]
    assert {name: found["n_mixtures"] for name, found in metrics["silence"].items()} == {
        "audio_only": 6,
        "visualvoice": 6,
    }
    assert metrics["provenance"]["device"] in {"cpu", "cuda"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_second_run_gives_the_same_bytes(finished: Separation, tmp_path: Path) -> None:
    cache = Path(finished.env["AVR_CACHE_DIR"])
    again = Separation(tmp_path / "run", cache)  # the page is called by its folder
    again.run()
    files = [path.relative_to(finished.folder) for path in sorted(finished.folder.rglob("*")) if path.is_file()]
    unlike = [
        str(file) for file in files if (again.folder / file).read_bytes() != (finished.folder / file).read_bytes()
    ]
    assert len(files) > 15
    assert unlike == []


def test_a_silent_clip_is_refused_by_its_kind_and_the_others_go_on(tmp_path: Path) -> None:
    separation = Separation(
        tmp_path / "run",
        tmp_path / "cache",
        {"dataset": {"max_rejected_fraction": 0.6}, "sounds": {"shortest_seconds": 0.5}},
    )
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16000).astype(np.float32)
    for name, sound in (("talk.mp4", noise), ("silent.mp4", 0 * noise)):
        write_mp4(tmp_path / name, np.zeros((10, 32, 32, 3), np.uint8), 10, sound, 16000)
    names = ("talk.mp4", "silent.mp4")
    clips = [Clip(clip_id=name, path=name, label="speech", sha256=file_sha256(tmp_path / name)) for name in names]
    write_clips(separation.folder / "data/clips.csv", clips)
    write_root(separation.folder / "data/clips.csv", tmp_path)
    separation.run("sounds")
    ((clip_id, stage, kind, _),) = rejects.read(separation.folder / "data/sounds" / rejects.FILE)
    assert (clip_id, stage, kind) == ("silent.mp4", "sounds", "silent")
    assert [name for name, _ in read_shards(separation.folder / "data/sounds")] == ["talk.mp4"]


def test_tracks_are_cut_out_by_the_stage_and_a_clip_without_one_is_refused(tmp_path: Path) -> None:
    tracks = write_tracks(tmp_path / "tracks.csv", standing("anna", 32, 32, 32, 2, clip_id="seen.mp4"))
    changes = {"dataset": {"max_rejected_fraction": 0.6}, "views": {"tracks": str(tracks)}}
    separation = Separation(tmp_path / "run", tmp_path / "cache", changes)
    pictures = np.zeros((50, 32, 64, 3), np.uint8)
    pictures[:, :, 32:] = 200
    names = ("seen.mp4", "not.mp4")
    for rate, name in enumerate(names, 25):
        write_mp4(tmp_path / name, pictures, rate, np.zeros(16000, np.float32), 16000)
    clips = [Clip(clip_id=name, path=name, label="speech", sha256=file_sha256(tmp_path / name)) for name in names]
    write_clips(separation.folder / "data/clips.csv", clips)
    write_root(separation.folder / "data/clips.csv", tmp_path)
    separation.run("views")
    ((clip_id, _, kind, reason),) = rejects.read(separation.folder / "data/views" / rejects.FILE)
    assert (clip_id, kind) == ("not.mp4", "no_view")
    assert "no row of it in" in reason
    ((_, arrays),) = read_shards(separation.folder / "data/views")
    assert arrays["mouth"].min() > 150
