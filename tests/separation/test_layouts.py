"""Published data sets through what comes before training, all in this process: what is read, and what is mixed."""

import contextlib
import csv
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.formats import rejects
from pipeline.formats.clips import read_clips, read_root
from pipeline.formats.shards import read_shards, write_shards
from pipeline.separation import sounds, views
from pipeline.separation.mixtures import read_mixtures
from pipeline.video import write_mp4
from tests.helpers.mouths import counted_film, write_face_track, write_mixture_files, write_mouth
from tests.helpers.separation import SMALL, Separation

SOUNDS = sounds.SoundsParams(rate=8000, silence_db=-60, shortest_seconds=1.0)
VIEWS = views.ViewsParams(mouth_fps=25, mouth_size=32, face_size=32, faces_per_second=1)
EVENT = (1.0, 2.5)  # seconds


def separation(folder: Path, dataset_source: str, path: Path, **mixtures: Any) -> Separation:  # noqa: ANN401 - params
    """The stages `clips` and `mixtures`, and between them what the workers of `sounds` and `views` do."""
    small = {name: section for name, section in SMALL.items() if name not in ("dataset", "mixtures")}
    changes: dict[str, Mapping[str, Any]] = {
        **small,
        "dataset": {"source": dataset_source, "path": str(path), "max_rejected_fraction": 0.3},
        "sounds": SOUNDS.model_dump(),
        "mixtures": {"n_validation": 2, "seconds": 1.0, "n_test": 6} | mixtures,
    }
    run = Separation(folder / "run", folder / "cache", changes)
    run.run("clips")
    data = run.folder / "data"
    clips, root = {clip.clip_id: clip for clip in read_clips(data / "clips.csv")}, read_root(data / "clips.csv")
    with contextlib.chdir(run.folder):
        for module, params in ((sounds, SOUNDS), (views, VIEWS)):
            arrays = {name: module.clip_arrays(clip, root / clip.path, params) for name, clip in clips.items()}
            out = data / module.__name__.rpartition(".")[2]
            write_shards(out, arrays, arrays.__getitem__)
            rejects.write(out / rejects.FILE, [])
    run.run("mixtures")
    return run


def test_ready_made_mixtures_are_tested_as_they_are(tmp_path: Path) -> None:
    names = write_mixture_files(tmp_path / "data")
    run = separation(tmp_path, "mixture_files", tmp_path / "data", source="list", n_test=None)
    data = run.folder / "data"
    test = [found for found in read_mixtures(data / "mixtures.csv") if found.split == "test"]
    assert [f"tt/{found.mixture_id}" for found in test] == [name for name in names if name.startswith("tt/")]
    assert {part.gain for found in test for part in found.segments} == {1.0}
    assert json.loads((data / "mixtures.json").read_text())["n_listed_left_out"] == {"missing": 0, "quiet": 0}
    for _, seen in read_shards(data / "views"):
        assert seen["mouth"][:, 16, 16].tolist() == list(range(25))
    splits = {clip.clip_id[:2]: clip.split for clip in read_clips(data / "clips.csv")}
    assert splits == {"tr": "train", "cv": "validation", "tt": "test"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_separators_are_measured_on_the_published_mixtures(tmp_path: Path) -> None:
    write_mixture_files(tmp_path / "data", seconds=1.5)
    run = separation(tmp_path, "mixture_files", tmp_path / "data", source="list", n_test=None)
    run.run("train", "separate", "evaluate")
    metrics = run.metrics()
    assert {row["n_mixtures"] for row in metrics["rows"].values()} == {2}
    assert set(metrics["rows"]["visualvoice"]["by_kind"]) >= {"ready"}
    assert metrics["rows"]["ideal_complex_mask"]["si_sdr_improvement"] > 10
    assert "matching" not in metrics  # nobody is heard twice
    assert metrics["dataset"]["n_test_people_in_train"] == 0


def test_face_tracks_have_the_mouths_that_were_cut_and_the_sounds_beside_them(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for split, people in (("train", range(3)), ("val", range(3, 5)), ("unseen_unheard_test", range(5, 7))):
        for person in people:
            path = write_face_track(root / f"mp4/{split}/id{person}/v/1.mp4", person)
            write_mouth(root / f"mouth_roi/{split}/id{person}/v/1.h5", counted_film(25) + np.uint8(person))
            if split == "val":
                sound = root / f"audio/{split}/id{person}/v/1.wav"
                sound.parent.mkdir(parents=True)
                shutil.copy(path, sound)
                write_mp4(path, np.zeros((25, 32, 32, 3), np.uint8), 25, np.zeros(16000, np.float32), 16000)
    run = separation(tmp_path, "face_tracks", root)
    data = run.folder / "data"
    assert {name for name, _ in read_shards(data / "sounds")} == {
        clip.clip_id for clip in read_clips(data / "clips.csv")
    }
    for name, seen in read_shards(data / "views"):
        (person,) = map(int, re.findall(r"id(\d)", name))
        assert seen["mouth"][:, 16, 16].tolist() == list(range(person, person + 25))


def write_music(root: Path, n_missing: int = 1) -> Path:
    """A list of two instruments; a player is a tone."""
    videos = {name: [f"{name:-<10}{k}"[:11] for k in range(5)] for name in ("flute", "cello")}
    rng = np.random.default_rng(0)
    paths = [root / f"{label}/{video_id}.mp4" for label, ids in videos.items() for video_id in ids]
    for path in paths[n_missing:]:
        path.parent.mkdir(parents=True, exist_ok=True)
        sound = rng.uniform(-0.3, 0.3, 16000).astype(np.float32)
        write_mp4(path, rng.integers(0, 255, (25, 32, 32, 3)).astype(np.uint8), 25, sound, 16000)
    (root / "list.json").write_text(json.dumps({"version": 1.0, "videos": videos}))
    return root / "list.json"


def test_published_pairs_are_the_test_mixtures_and_their_clips_are_learned_from_no_more(tmp_path: Path) -> None:
    path = write_music(tmp_path / "data")
    pairs = ["/flute/flute-----0.wav, /cello/cello-----1.wav", "/flute/flute-----1.wav, /cello/cello-----1.wav"]
    (tmp_path / "pairs.csv").write_text("\n".join(pairs))
    run = separation(tmp_path, "music_list", path, pairs=str(tmp_path / "pairs.csv"), n_test=None)
    data = run.folder / "data"
    (found,) = [found for found in read_mixtures(data / "mixtures.csv") if found.split == "test"]
    assert (found.mixture_id, found.kind) == ("test-0001", "different_label")
    assert [part.clip_id for part in found.segments] == ["flute/flute-----1", "cello/cello-----1"]
    assert json.loads((data / "mixtures.json").read_text())["n_listed_left_out"] == {"missing": 1, "quiet": 0}
    test = {clip.clip_id for clip in read_clips(data / "clips.csv") if clip.split == "test"}
    assert test == {"flute/flute-----1", "cello/cello-----1"}
    (tmp_path / "pairs.csv").write_text("/flute/flute-----1.wav, /tuba/tuba.wav")
    with pytest.raises(DataError, match=r"pairs.csv: 1 of 2 IDs are of no clip of the data set, such as 'tuba'; ex"):
        run.run("clips")


def write_ave(root: Path) -> Path:
    """AVE's layout with an event in the middle of each film; outside of it there is another sound."""
    (root / "AVE").mkdir(parents=True)
    rows, loud = [], np.zeros(48000, np.float32)
    loud[: round(EVENT[0] * 16000)] = loud[round(EVENT[1] * 16000) :] = 0.5
    for k in range(12):
        label, video_id = ("Bark", "Goat")[k % 2], f"video{k:06d}"
        tone = np.sin(2 * np.pi * (200 + 40 * k) * np.arange(48000) / 16000).astype(np.float32)
        film = np.full((75, 32, 32, 3), 20 * k, np.uint8)
        write_mp4(root / f"AVE/{video_id}.mp4", film, 25, np.where(loud, loud, 0.1 * tone), 16000)
        rows.append(f"{label}&{video_id}&good&{EVENT[0]}&{EVENT[1]}")
    (root / "Annotations.txt").write_text("\n".join(rows))
    for split, order in (("train", range(4)), ("val", range(4, 8)), ("test", range(8, 12))):
        with h5py.File(root / f"{split}_order.h5", "w") as file:
            file["order"] = np.array(order)
    return root


def test_events_of_ave_are_mixed_within_their_times(tmp_path: Path) -> None:
    run = separation(
        tmp_path, "ave", write_ave(tmp_path / "data"), kinds={"same_label": 0.5, "different_label": 0.5}, n_test=12
    )
    mixtures = read_mixtures(run.folder / "data/mixtures.csv")
    labels = {clip.clip_id: clip.label for clip in read_clips(run.folder / "data/clips.csv")}
    starts = [part.start_seconds for found in mixtures for part in found.segments]
    assert min(starts) >= EVENT[0]
    assert max(starts) + mixtures[0].seconds <= EVENT[1] + 1e-9
    assert (max(starts) - min(starts) > 0.2, {found.seconds for found in mixtures}) == (True, {1.0})
    for found in mixtures:
        same = len({labels[part.clip_id] for part in found.segments}) == 1
        assert found.kind == ("same_label" if same else "different_label")
    with (run.folder / "data/mixtures.csv").open() as file:
        assert {row["split"] for row in csv.DictReader(file)} == {"validation", "test"}
